//! CORS against django-cors-headers: one table of rows, on ours and on the original.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod checks;
mod differential;
mod properties;
mod row;
mod rows;
mod table;
