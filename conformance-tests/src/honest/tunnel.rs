//! The tunnel on the control server: octets from the client to the application and back.
//!
//! Rules of this room: what the application does not take is not read; each direction ends by itself; a failure is a break that the
//! client can tell from an end.

use std::time::Duration;

use rwgi::{Octets, SessionHalf, TunnelEnd};

use self::UpgradeFlaw as Flaw;
use super::drive::Gone;
use super::inbound::Brought;
use super::line::{Line, Lines};

/// The flaws in the server's own code for taking a connection over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeFlaw {
    // The head.
    /// Leaves out the Connection field.
    NoConnection,
    /// Leaves out the Upgrade field.
    NoUpgrade,
    /// Spells the protocol in its own way.
    OwnSpelling,
    /// Drops the fields of the application.
    NoFields,
    /// Sends Content-Length with the head.
    HasLength,
    /// Sends Transfer-Encoding with the head.
    HasCoding,
    /// Leaves out what a client has to upgrade to.
    NoRequirement,
    // The tunnel.
    /// Drops what came behind the request.
    DropsEarly,
    /// Drops the last octet of each piece.
    Shortens,
    /// Ends the tunnel when the client has sent all it will.
    ClientEndsBoth,
    /// Ends the tunnel when the application has sent all it will.
    ApplicationEndsBoth,
    /// Never tells the application that the client has sent all it will.
    HidesEnd,
    /// Ends the tunnel of a failed application in order.
    OrderlyFailure,
    /// Does not tell the session that the server stops.
    SilentStop,
    /// Cuts the session when the server stops.
    CutsAtStop,
    /// Takes in what the application does not read.
    Hoards,
}

/// Sends the head of a tunnel, and carries it to its end.
pub(super) fn carry(
    line: &dyn Line,
    mut half: SessionHalf<Octets>,
    taken: &str,
    mut fields: Lines,
) -> Result<(), Gone> {
    let off = |flaw| line.upgrade_off(flaw);
    if off(Flaw::NoFields) {
        fields.clear();
    }
    if off(Flaw::HasLength) {
        fields.push(("content-length".to_owned(), b"0".to_vec()));
    }
    if off(Flaw::HasCoding) {
        fields.push(("transfer-encoding".to_owned(), b"chunked".to_vec()));
    }
    let own = taken.to_ascii_lowercase();
    line.take_over(if off(Flaw::OwnSpelling) { &own } else { taken }, fields)?;
    let (mut heard, mut said, mut told) = (false, false, false);
    let mut buffer = Vec::new();
    loop {
        let cx = &mut line.context();
        let returned = half.poll_application(cx).is_ready();
        while let Some(data) = half.take(cx) {
            let short = usize::from(off(Flaw::Shortens));
            line.write(&data[..data.len() - short])?;
        }
        if half.result().is_some_and(Result::is_err) && !off(Flaw::OrderlyFailure) {
            return Err(Gone);
        }
        if half.is_finished() && !said {
            said = true;
            line.end()?;
            if off(Flaw::ApplicationEndsBoth) {
                heard = true;
                half.give_end(TunnelEnd::BrokenOff, cx);
            }
        }
        if returned {
            let _ = half.finish();
            return Ok(());
        }
        if line.server().is_stopping() && !told {
            told = true;
            if off(Flaw::CutsAtStop) {
                return Err(Gone);
            }
            if !off(Flaw::SilentStop) {
                half.stop(cx);
            }
        }
        line.check()?;
        let hoards = off(Flaw::Hoards);
        if heard || !half.has_room() && !hoards {
            // Whoever wakes the thread is heard in the next turn.
            std::thread::park_timeout(Duration::from_millis(2));
            continue;
        }
        if half.wants_poll() || !half.park(cx) {
            continue;
        }
        match line.read(&mut buffer, Duration::from_millis(2))? {
            Brought::More if hoards && !half.has_room() => {}
            Brought::More => half.give(std::mem::take(&mut buffer).into(), cx),
            Brought::End => {
                heard = true;
                if !off(Flaw::HidesEnd) {
                    half.give_end(TunnelEnd::Finished, cx);
                }
                if off(Flaw::ClientEndsBoth) {
                    said = true;
                    line.end()?;
                }
            }
            Brought::Nothing => {}
            Brought::Reset => return Err(Gone),
        }
    }
}
