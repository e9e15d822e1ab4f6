//! A WebSocket in groups: it joins when it is accepted and leaves on every kind of end. The session is carried by hand, without a server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use rwgi::{
    Closed, Environ, Exchange, Finished, Message, Outgoing, ServerInfo, Session, StartResponse,
};
use rwgi_channels::{ChannelLayer, Config, Delivery, GroupSocket, Incoming, Memory, Missed};
use tokio::sync::mpsc;

type Layer = Arc<dyn ChannelLayer>;

// ANCHOR: chat
/// The chat of the documentation, which ends as the client says.
async fn chat(layer: Layer, environ: Environ, start: StartResponse) -> rwgi::Result<Finished> {
    let mut socket = GroupSocket::accept(&environ, start, (), &layer, &["room", "news"]).await?;
    while let Some(incoming) = socket.recv().await? {
        match incoming {
            Incoming::Gap(gap) => socket.send(format!("{:?} {:?}", gap.reason, gap.count)).await?,
            Incoming::Message(Message::Text(text)) if text == "fail" => {
                return Err(rwgi::Error::application("as asked"));
            }
            Incoming::Message(Message::Text(text)) if text == "panic" => panic!("as asked"),
            Incoming::Message(Message::Text(text)) if text == "finish" => break,
            Incoming::Message(message) => {
                layer.group_send("room", Bytes::copy_from_slice(message.as_bytes())).await?;
            }
        }
    }
    Ok(socket.finish())
}
// ANCHOR_END: chat

/// What the client does.
enum Act {
    Say(Message),
    Close,
    /// Takes one message, once there is one.
    Take,
}

/// A client, with the server's half in a task of its own.
struct Client {
    acts: mpsc::UnboundedSender<Act>,
    took: mpsc::UnboundedReceiver<Message>,
    carrier: tokio::task::JoinHandle<()>,
}

fn environ() -> Environ {
    let mut server = ServerInfo::new("test/1");
    server.capabilities.websocket = true;
    Environ::builder()
        .server(server)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", 13)
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .build()
        .unwrap()
}

async fn connect(layer: &Layer) -> Client {
    let here = Arc::clone(layer);
    let application =
        move |environ: Environ, start: StartResponse| chat(Arc::clone(&here), environ, start);
    let mut response = Exchange::new(Arc::new(application), environ()).await.unwrap();
    let Some(Session::WebSocket(mut half, _)) = response.body_mut().take_session() else {
        panic!("no session")
    };
    let (acts, mut asked) = mpsc::unbounded_channel();
    let (give, took) = mpsc::unbounded_channel();
    let carrier = tokio::spawn(async move {
        let mut wanted = 0;
        poll_fn(|cx| {
            loop {
                if half.poll_application(cx).is_ready() {
                    return Poll::Ready(());
                }
                while let Poll::Ready(Some(act)) = asked.poll_recv(cx) {
                    match act {
                        Act::Say(message) => half.give(message, cx),
                        Act::Close => half.give_end(
                            Closed { code: 1000, reason: String::new(), clean: true },
                            cx,
                        ),
                        Act::Take => wanted += 1,
                    }
                }
                while wanted > 0
                    && let Some(piece) = half.take(cx)
                {
                    if let Outgoing::Message(message) = piece {
                        let _ = give.send(message);
                        wanted -= 1;
                    }
                }
                if !half.wants_poll() && (half.park(cx) || wanted == 0) {
                    return Poll::Pending;
                }
            }
        })
        .await;
    });
    Client { acts, took, carrier }
}

impl Client {
    fn act(&self, act: Act) {
        self.acts.send(act).unwrap();
    }

    fn say(&self, text: &str) {
        self.act(Act::Say(Message::from(text)));
    }

    async fn take(&mut self) -> Message {
        self.act(Act::Take);
        within("a message", self.took.recv()).await.unwrap()
    }

    async fn ends(self) {
        let _ = within("the end", self.carrier).await;
    }
}

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(30), future).await {
        Ok(output) => output,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

fn memory(capacity: usize) -> Layer {
    Arc::new(Memory::new(Config { capacity, ..Config::default() }))
}

#[tokio::test]
async fn what_one_says_all_hear() {
    let layer = memory(100);
    let (mut one, mut other) = (connect(&layer).await, connect(&layer).await);
    one.say("hello");
    for client in [&mut one, &mut other] {
        assert_eq!(client.take().await, Message::from("hello"));
    }
    let delivery = layer.group_send("news", Bytes::from_static(b"\xff")).await.unwrap();
    assert_eq!(delivery.delivered, 2);
    assert_eq!(other.take().await, Message::from(vec![0xff]));
}

#[tokio::test]
async fn it_leaves_on_every_kind_of_end() {
    for end in ["close", "fail", "panic", "finish", "gone"] {
        let layer = memory(100);
        let client = connect(&layer).await;
        assert_eq!(layer.groups().await.unwrap(), ["news", "room"], "{end}");
        match end {
            "close" => client.act(Act::Close),
            "gone" => client.carrier.abort(),
            word => client.say(word),
        }
        client.ends().await;
        assert!(layer.groups().await.unwrap().is_empty(), "{end}");
        let delivery = layer.group_send("room", Bytes::from("x")).await.unwrap();
        assert_eq!(delivery, Delivery::default(), "{end}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_and_is_told_what_it_missed() {
    let layer = memory(4);
    let (slow, mut quick) = (connect(&layer).await, connect(&layer).await);
    let mut full = 0;
    for number in 0..1_000 {
        full += layer.group_send("room", Bytes::from(number.to_string())).await.unwrap().full;
        assert_eq!(quick.take().await, Message::from(number.to_string()));
    }
    // The server takes some more into its own lane, which has an end as well.
    assert!(full > 500, "{full} were counted as full");
    // It held only what the channel and the server's own lane hold; what it missed stands in its place.
    let mut slow = slow;
    let mut got = 0;
    loop {
        let message = slow.take().await;
        if message.as_text().is_some_and(|text| text.starts_with(&format!("{:?}", Missed::Full))) {
            assert_eq!(message, Message::from(format!("{:?} Some({full})", Missed::Full)));
            break;
        }
        got += 1;
    }
    assert_eq!(got + full, 1_000);
    layer.group_send("room", Bytes::from("again")).await.unwrap();
    assert_eq!(slow.take().await, Message::from("again"));
}

#[tokio::test]
async fn what_cannot_be_joined_is_not_accepted() {
    let layer = memory(1);
    let here = Arc::clone(&layer);
    let plain =
        move |environ: Environ, start: StartResponse| chat(Arc::clone(&here), environ, start);
    let environ = Environ::builder().build().unwrap();
    let error = Exchange::new(Arc::new(plain), environ).await.unwrap_err();
    assert_eq!(error.status(), 426);
    assert_eq!(error.required_upgrade().unwrap().value(), "websocket");
    let here = Arc::clone(&layer);
    let wrong = move |environ: Environ, start: StartResponse| {
        let layer = Arc::clone(&here);
        async move {
            let socket = GroupSocket::accept(&environ, start, (), &layer, &["no name"]).await?;
            Ok(socket.finish())
        }
    };
    let error = Exchange::new(Arc::new(wrong), self::environ()).await.unwrap_err();
    assert_eq!(error.status(), 500);
    assert!(layer.groups().await.unwrap().is_empty());
}
