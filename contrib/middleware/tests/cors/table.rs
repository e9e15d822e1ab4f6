//! The rows, on the middleware.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, StatusCode};
use rwgi::{Environ, Error, StartResponse};
use rwgi_middleware::{Client, Cors, Settings};

use crate::row::{Expected, Row, Signal};
use crate::rows::rows;

/// Settings as the rows have them.
pub(crate) fn settings(values: &[(&'static str, serde_json::Value)]) -> Settings {
    // By way of a file: both ways in are the same (a test of the settings says so).
    let table: serde_json::Map<String, serde_json::Value> =
        values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Settings::from_toml(&toml::to_string(&table).unwrap()).unwrap()
}

/// What the middleware makes of a row.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) reached: bool,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) length: Option<String>,
}

pub(crate) fn answer(row: &Row) -> Got {
    let reached = Arc::new(AtomicBool::new(false));
    let (seen, answer) = (Arc::clone(&reached), row.answer.clone());
    let application = move |_: Environ, start: StartResponse| {
        seen.store(true, Ordering::Relaxed);
        let answer = answer.clone();
        async move {
            if answer.fails {
                return Err(Error::application("as it was asked to"));
            }
            start.respond(StatusCode::from_u16(answer.status)?, answer.fields, "application")
        }
    };
    let mut cors = Cors::new(application, &settings(&row.settings)).unwrap();
    if let Some(signal) = row.signal {
        cors = cors.allow_when(move |environ| match signal {
            Signal::Always => true,
            Signal::Never => false,
            Signal::Api => environ.path_info().starts_with("/api/"),
        });
    }
    let method = Method::from_bytes(row.method.as_bytes()).unwrap();
    let mut request =
        Client::new(cors).request(method, row.path).with(|environ| environ.script_name(row.mount));
    for (name, value) in &row.fields {
        request = request.header(name, value);
    }
    let response = pollster::block_on(request.send()).unwrap();
    let mut fields: Vec<_> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| name == "vary" || name.starts_with("access-control-"))
        .collect();
    fields.sort();
    Got {
        status: response.status().as_u16(),
        reached: reached.load(Ordering::Relaxed),
        fields,
        length: response.header("content-length").map(str::to_owned),
    }
}

impl Expected {
    pub(crate) fn sorted(&self) -> Vec<(String, String)> {
        let mut fields: Vec<_> = self
            .fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        fields.sort();
        fields
    }
}

#[test]
fn every_row_gives_what_it_says() {
    let mut names = Vec::new();
    for row in rows() {
        assert!(!names.contains(&row.name), "two rows are called {:?}", row.name);
        names.push(row.name);
        let got = answer(&row);
        assert_eq!(got.fields, row.expected.sorted(), "{}", row.name);
        assert_eq!(
            (got.status, got.reached),
            (row.expected.status, row.expected.reached),
            "{}",
            row.name
        );
        if !got.reached {
            assert_eq!(got.length.as_deref(), Some("0"), "{}", row.name);
        }
    }
    assert!(names.len() > 100, "only {} rows", names.len());
}
