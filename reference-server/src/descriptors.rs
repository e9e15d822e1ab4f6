//! The descriptors that the process may open: how many more it may ask for, and for how many connections they last.
//!
//! Rules of this room: it is the only one that looks at the limits of the process; only who owns the process raises one.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::Config;

/// Left for files and for the application.
const SPARE: u64 = 64;

/// Raises the process's own limit on open files as far as it may do so by itself, the soft to the hard one (getrlimit(2)), as Go's and
/// Node's programs do: the soft limit is 1,024 nearly everywhere, for the sake of programs that use select(2).
pub(crate) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    // Where the system does not allow it there are fewer places, which is said there.
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit on open files stays as it is: {error}");
    }
}

/// Connections at once: as configured, and no more than there are descriptors for.
pub(crate) fn places(config: &Config) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current;
    let most = descriptors.map_or(usize::MAX, |most| {
        usize::try_from(most.saturating_sub(SPARE).max(most / 2)).unwrap_or(usize::MAX)
    });
    if most < config.connections {
        tracing::warn!(
            "connections: {} are allowed, but the process may open {} files: no more than {most} at once are accepted; \
             raise the limit (ulimit -n, LimitNOFILE=) or lower the number",
            config.connections,
            descriptors.unwrap_or_default()
        );
    }
    config.connections.min(most)
}
