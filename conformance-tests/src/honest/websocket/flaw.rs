//! The ways in which `honest` can be made to break a rule of WebSocket.
//!
//! Rules of this room: as those of the other violations: one rule each.

/// The flaws in the server's own code for WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocketFlaw {
    // The handshake.
    /// Gives a wrong Sec-WebSocket-Accept.
    WrongAccept,
    /// Gives Sec-WebSocket-Accept where no key came.
    AcceptsWithoutKey,
    /// Leaves out the Connection field.
    NoConnection,
    /// Leaves out the Upgrade field.
    NoUpgrade,
    /// Drops the fields of the acceptance.
    NoFields,
    // Frames.
    /// Takes frames that are not masked.
    Unmasked,
    /// Does not look at the reserved bits.
    Reserved,
    /// Skips frames of reserved opcodes.
    Opcodes,
    /// Takes fragmented control frames.
    FragmentedControl,
    /// Takes control frames of any length.
    LongControl,
    /// Takes a continuation for a message.
    StrayContinuation,
    /// Takes a new message in the middle of another.
    Interleaved,
    /// Takes lengths in more octets than needed.
    LongLengths,
    // Messages.
    /// Sends text for binary and binary for text.
    WrongKind,
    /// Drops the last octet of a message.
    Shortens,
    /// Forgets all fragments but the last.
    LastFragment,
    /// Takes each fragment for a message.
    NoFragments,
    /// Masks what it sends.
    Masks,
    /// Takes what comes at once for whole frames.
    WholePieces,
    /// Sends the lengths of 126 and more as if they had 16 bits.
    ShortLengths,
    // Text.
    /// Repairs text that is not UTF-8.
    RepairsText,
    /// Looks at text when the message is whole.
    LateText,
    /// Checks each fragment by itself.
    FragmentText,
    // Control.
    /// Does not answer a Ping.
    NoPong,
    /// Answers a Ping without its payload.
    EmptyPong,
    /// Closes over a Pong that it did not ask for.
    PongCloses,
    /// Answers a Ping when the message around it is whole.
    LatePong,
    /// Sends no Ping.
    NoPing,
    // The end.
    /// Does not answer a Close frame.
    NoClose,
    /// Answers each Close frame with 1000.
    AlwaysNormal,
    /// Takes any code in a Close frame.
    AnyCode,
    /// Takes half a code in a Close frame.
    HalfCode,
    /// Does not look at the reason's text.
    AnyReason,
    /// Delivers what comes after a Close frame.
    AfterClose,
    /// Leaves the connection open after the close.
    StaysOpen,
    /// Tells the application 1006, whatever the Close frame says.
    TellsAbnormal,
    /// Tells the application 1000 where no Close frame came.
    TellsNormal,
    /// Closes a failed session with 1000.
    FailsNormally,
    /// Closes a session that was left with 1011.
    LeavesBadly,
    /// Sends the application's close as 1000.
    OwnClose,
    /// Closes over a broken rule with 1000.
    WrongCode,
    /// Breaks off over a broken rule without a word.
    Silent,
    // Limits.
    /// Knows no limit.
    NoLimit,
    /// Waits for all of a message that is too large.
    WaitsForLarge,
    // Compression.
    /// Accepts no compression.
    NoDeflate,
    /// Accepts each offer of compression, whatever it says.
    AnyOffer,
    /// Compresses although the application forbids it.
    DeflatesAnyway,
    /// Does not inflate.
    NoInflate,
    /// Keeps the context where it agreed not to.
    KeepsContext,
    /// Forgets the client's context after each message.
    ForgetsContext,
    /// Deflates with the largest window, whatever was agreed on.
    LargeWindow,
    /// Inflates without a limit.
    NoInflationLimit,
    /// Takes what does not inflate for an empty message.
    RepairsDeflate,
}
