//! Certificates whose time is over, soon is, or has not come: what an operator should hear before the clients do.
//!
//! Rules of this room: it thinks, on certificates and a time that it is given; a warning keeps nobody from serving, for whoever serves with an
//! old certificate serves those who do not look; each warning names the file, whose certificate it is, and the date.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// Two weeks: time enough for whoever renews by hand.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// And no more than this part of its life: certificates that live for days are renewed in its last third (ACME's clients do so).
const LAST_PART: i64 = 3;

/// What is to be said of the certificates in a file, in their order. One that cannot be read here is for others to complain of.
pub(super) fn warnings(
    file: &Path,
    chain: &[CertificateDer<'_>],
    now: SystemTime,
) -> impl Iterator<Item = String> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    chain.iter().filter_map(move |certificate| {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let matter = matter(&certificate, now)?;
        Some(format!("{}: the certificate of {} {matter}", file.display(), whose(&certificate)))
    })
}

/// What is the matter with it, at a time in seconds since 1970.
fn matter(certificate: &X509Certificate<'_>, now: i64) -> Option<String> {
    let validity = certificate.validity();
    let (begin, end) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let soon = i64::try_from(SOON.as_secs()).unwrap_or(i64::MAX);
    let soon = soon.min(end.saturating_sub(begin) / LAST_PART);
    if now > end {
        Some(format!("has expired on {}: clients refuse it", validity.not_after))
    } else if now < begin {
        Some(format!("is not valid before {}: clients refuse it until then", validity.not_before))
    } else if end - now < soon {
        Some(format!("expires soon, on {}", validity.not_after))
    } else {
        None
    }
}

/// The names that it is valid for, or else its subject.
fn whose(certificate: &X509Certificate<'_>) -> String {
    use x509_parser::extensions::GeneralName;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names: Vec<&str> = names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
        .collect();
    if names.is_empty() { certificate.subject().to_string() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    const DAY: u64 = 24 * 3600;

    /// What is said of a certificate of June 2026, so many days after its first.
    fn said(names: &[&str], days: u64) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "somebody");
        params.not_before = date_time_ymd(2026, 6, 1);
        params.not_after = date_time_ymd(2026, 7, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let first = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_272_000);
        let now = first + Duration::from_secs(days * DAY) - Duration::from_secs(DAY);
        warnings(Path::new("site.pem"), &[certificate.der().clone()], now).collect()
    }

    #[test]
    fn each_time_has_its_word() {
        let names = ["a.example", "b.example"];
        assert_eq!(
            said(&names, 0),
            [
                "site.pem: the certificate of a.example, b.example is not valid before Jun  1 00:00:00 2026 +00:00: \
              clients refuse it until then"
            ]
        );
        // Of thirty days the last ten are soon.
        assert_eq!(said(&names, 1), [""; 0]);
        assert_eq!(said(&names, 21), [""; 0]);
        assert_eq!(
            said(&names, 22),
            [
                "site.pem: the certificate of a.example, b.example expires soon, on Jul  1 00:00:00 2026 +00:00"
            ]
        );
        assert_eq!(
            said(&[], 32),
            [
                "site.pem: the certificate of CN=somebody has expired on Jul  1 00:00:00 2026 +00:00: clients refuse it"
            ]
        );
    }

    #[test]
    fn of_what_is_no_certificate_nothing_is_said() {
        let chain = [CertificateDer::from(&b"\x30\x03\x02\x01\x01"[..])];
        assert_eq!(warnings(Path::new("x"), &chain, SystemTime::UNIX_EPOCH).count(), 0);
    }
}
