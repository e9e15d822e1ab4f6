//! What an application behind a service is told of the server around it.
//!
//! Rules of this room: a capability that no service can carry is taken away, from `startup` as from every exchange.

use std::sync::{Arc, PoisonError, RwLock};

use rwgi::{Connection, ServerInfo};

/// Servers around one service that are remembered; a server that makes a new description for each connection gains nothing here.
const MOST_SERVERS: usize = 16;

/// The server without what no `http::Response` carries: a connection that is taken over.
pub(crate) fn narrow(server: &ServerInfo) -> ServerInfo {
    let mut narrowed = server.clone();
    narrowed.capabilities.upgrade = false;
    narrowed.capabilities.websocket = false;
    narrowed.capabilities.forwarded_upgrade = false;
    narrowed
}

/// Servers around the service, each without what no `http::Response` carries: a connection that is taken over (REQ-MID-06).
///
/// There are as many as the server has of its own: one for each version of HTTP.
#[derive(Debug, Default)]
pub(crate) struct Narrowed(RwLock<Vec<(Arc<ServerInfo>, Arc<ServerInfo>)>>);

impl Narrowed {
    /// The facts of a connection, as the application inside may see them.
    pub(crate) fn connection(&self, outer: &Arc<Connection>) -> Arc<Connection> {
        let can = outer.server.capabilities;
        if !can.upgrade && !can.websocket && !can.forwarded_upgrade {
            return Arc::clone(outer);
        }
        let server = self.server(&outer.server);
        Arc::new(Connection { server, ..Connection::clone(outer) })
    }

    fn server(&self, outer: &Arc<ServerInfo>) -> Arc<ServerInfo> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, narrowed)) = known.iter().find(|(server, _)| Arc::ptr_eq(server, outer)) {
            return Arc::clone(narrowed);
        }
        drop(known);
        let narrowed = Arc::new(narrow(outer));
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if list.len() >= MOST_SERVERS {
            list.clear();
        }
        list.push((Arc::clone(outer), Arc::clone(&narrowed)));
        narrowed
    }
}
