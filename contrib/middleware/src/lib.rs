#![doc = include_str!("../README.md")]
//!
//! # What holds for each middleware
//!
//! `startup` and `shutdown` are passed on (REQ-MID-05), and so are the environ's extensions (REQ-MID-03). A call that is dropped drops the call
//! of the inner application (REQ-MID-07): each is as cancel safe as what it stands around. An error that it does not answer goes on as it came
//! (REQ-MID-15), and a body that fails is never made whole (REQ-MID-14).
//!
//! The modules are declared in the order in which they build on each other.

mod settings;

mod failure;
mod gather;
mod recode;
mod through;
mod vary;

mod body_limit;
#[cfg(any(feature = "brotli", feature = "gzip"))]
mod compression;
mod conditional;
mod cors;
mod error_pages;
mod hosts;
mod jsonp;
mod method_override;
mod mount;
mod request_id;
mod router;
mod security;
mod timeout;
mod websocket;

mod client;

pub use self::body_limit::BodyLimit;
pub use self::client::{Client, Request, Response};
#[cfg(any(feature = "brotli", feature = "gzip"))]
pub use self::compression::Compression;
pub use self::conditional::ConditionalGet;
pub use self::cors::{Cors, DEFAULT_ALLOW_HEADERS, DEFAULT_ALLOW_METHODS, Verdict};
pub use self::error_pages::ErrorPages;
pub use self::hosts::AllowedHosts;
pub use self::jsonp::Jsonp;
pub use self::method_override::{MethodOverride, OriginalMethod};
pub use self::mount::UrlMap;
pub use self::request_id::{RequestId, RequestIds};
pub use self::router::{PathParameters, Router};
pub use self::security::SecurityHeaders;
pub use self::settings::{Problem, Problems, Settings, Value};
pub use self::timeout::Timeout;
pub use self::websocket::{BlockingWebSocket, IsWebSocket, OriginValidator, WebSocketGate};
