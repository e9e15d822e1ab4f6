#![doc = include_str!("../README.md")]
//!
//! The modules are declared in the order in which a request meets them, from an RWGI server to a service and on to an application.

mod from_service;
mod mount;

mod duties;
mod failure;
mod into_service;
mod layered;
mod narrowed;

pub use self::from_service::{FromService, from_service};
pub use self::into_service::{IntoService, ResponseFuture, ServiceBody, into_service};
pub use self::layered::layered;

#[cfg(feature = "axum")]
pub use self::from_service::from_router;
