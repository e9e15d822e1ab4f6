//! What a row of the table is: settings, a request, what the application answers, and what comes out.
//!
//! Rules of this room: a row is plain data, told alike to the middleware and to the original; what it does not name has the default.

use serde_json::{Value, json};

/// The origin that most rows ask from.
pub(crate) const ORIGIN: &str = "https://example.com";

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) settings: Vec<(&'static str, Value)>,
    /// What the callback (the signal) says, if there is one.
    pub(crate) signal: Option<Signal>,
    pub(crate) method: &'static str,
    /// The part of the path under which the site is mounted.
    pub(crate) mount: &'static str,
    pub(crate) path: &'static str,
    pub(crate) fields: Vec<(&'static str, &'static str)>,
    pub(crate) answer: Answer,
    pub(crate) expected: Expected,
    /// Why the original does otherwise.
    pub(crate) differs: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Always,
    Never,
    /// The path begins with `/api/`.
    Api,
}

/// What the application does.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, &'static str)>,
    pub(crate) fails: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// The application was called.
    pub(crate) reached: bool,
    /// Vary and all fields that begin with `access-control-`: these and no others.
    pub(crate) fields: Vec<(&'static str, &'static str)>,
}

/// A GET of `/` that nobody configured anything for.
pub(crate) fn row(name: &'static str) -> Row {
    Row {
        name,
        settings: Vec::new(),
        signal: None,
        method: "GET",
        mount: "",
        path: "/",
        fields: Vec::new(),
        answer: Answer { status: 200, fields: Vec::new(), fails: false },
        expected: Expected { status: 200, reached: true, fields: vec![("vary", "origin")] },
        differs: None,
    }
}

impl Row {
    pub(crate) fn set(mut self, name: &'static str, value: Value) -> Self {
        self.settings.push((name, value));
        self
    }

    /// `https://example.com` is allowed.
    pub(crate) fn listed(self) -> Self {
        self.set("CORS_ALLOWED_ORIGINS", json!([ORIGIN]))
    }

    pub(crate) fn signal(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn path(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    pub(crate) fn mounted(mut self, mount: &'static str) -> Self {
        self.mount = mount;
        self
    }

    pub(crate) fn field(mut self, name: &'static str, value: &'static str) -> Self {
        self.fields.push((name, value));
        self
    }

    pub(crate) fn from(self, origin: &'static str) -> Self {
        self.field("origin", origin)
    }

    /// Makes the request a preflight.
    pub(crate) fn preflight(self) -> Self {
        let mut row = self.method("OPTIONS").field("access-control-request-method", "PUT");
        row.expected.reached = false;
        row
    }

    pub(crate) fn answers(mut self, status: u16, name: &'static str, value: &'static str) -> Self {
        self.answer.status = status;
        self.expected.status = status;
        self.answer.fields.push((name, value));
        self
    }

    pub(crate) fn fails(mut self) -> Self {
        self.answer.fails = true;
        self.expected.status = 500;
        self
    }

    /// A field comes out; one that was expected before gives way.
    pub(crate) fn gives(mut self, name: &'static str, value: &'static str) -> Self {
        self.expected.fields.retain(|(known, _)| *known != name);
        self.expected.fields.push((name, value));
        self
    }

    /// The origin is allowed by its name.
    pub(crate) fn allows(self, origin: &'static str) -> Self {
        self.gives("access-control-allow-origin", origin)
    }

    /// The fields that an answer to OPTIONS has beside the origin, with every default.
    pub(crate) fn tells_defaults(self) -> Self {
        self.gives(
            "access-control-allow-headers",
            "accept, authorization, content-type, user-agent, x-csrftoken, x-requested-with",
        )
        .gives("access-control-allow-methods", "DELETE, GET, OPTIONS, PATCH, POST, PUT")
        .gives("access-control-max-age", "86400")
    }

    /// Nothing at all comes out, not even Vary.
    pub(crate) fn left_alone(mut self) -> Self {
        self.expected.fields.clear();
        self.expected.reached = true;
        self
    }

    pub(crate) fn differs(mut self, reason: &'static str) -> Self {
        self.differs = Some(reason);
        self
    }

    /// The row as the original's driver reads it.
    pub(crate) fn to_json(&self) -> Value {
        let settings: serde_json::Map<_, _> =
            self.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        json!({
            "name": self.name,
            "settings": settings,
            "signal": self.signal.map(|signal| format!("{signal:?}")),
            "method": self.method,
            "mount": self.mount,
            "path": self.path,
            "fields": self.fields,
            "status": self.answer.status,
            "answers": self.answer.fields,
            "fails": self.answer.fails,
        })
    }
}
