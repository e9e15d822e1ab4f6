//! The connection taken over: the two halves of a session, by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod common;

use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use common::Poller;
use http::{Response, StatusCode};
use http_body_util::Empty;
use rwgi::protocol::{Event, Phase};
use rwgi::{
    Acceptance, Application, CloseCode, Closed, Environ, EnvironBuilder, Error, Exchange, Fault,
    Message, Outgoing, ResponseBody, ServerInfo, Session, StartResponse, TunnelEnd,
};

fn asking(protocols: &str) -> EnvironBuilder {
    let mut server = ServerInfo::new("test/1");
    server.capabilities.upgrade = true;
    server.capabilities.websocket = true;
    Environ::builder()
        .server(server)
        .header("connection", "upgrade")
        .header("upgrade", protocols)
        .header("sec-websocket-version", 13)
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "chat")
}

fn answer(
    application: impl Application,
    environ: EnvironBuilder,
) -> rwgi::Result<Response<ResponseBody>> {
    let mut exchange = Exchange::new(Arc::new(application), environ.build().unwrap());
    Poller::new().drive(&mut exchange)
}

// Evidence: REQ-UPG-04, REQ-UPG-05, REQ-UPG-09, REQ-UPG-12
#[test]
fn a_tunnel_is_carried_by_hand() {
    let echo = |_: Environ, start: StartResponse| async move {
        let mut tunnel = start.upgrade("ECHO", [("x-a", "b")])?;
        while let Some(data) = tunnel.recv().await? {
            tunnel.send(data).await?;
        }
        tunnel.end();
        assert!(tunnel.send("late").await.is_err());
        Ok(tunnel.finish())
    };
    let mut response = answer(echo, asking("echo")).unwrap();
    assert_eq!(
        (response.status(), response.body().is_upgrade()),
        (StatusCode::SWITCHING_PROTOCOLS, true)
    );
    assert_eq!(response.headers()["x-a"], "b");
    let Some(Session::Tunnel(mut half)) = response.body_mut().take_session() else { panic!() };
    let poller = Poller::new();
    let mut cx = poller.cx();
    assert!(half.poll_application(&mut cx).is_pending());
    assert!(half.park(&cx));
    let mut given = 0;
    while half.has_room() {
        half.give(Bytes::from_static(&[7; 1000]), &cx);
        given += 1000;
    }
    assert!((64_000..=66_000).contains(&given), "{given}");
    let mut taken = 0;
    while taken < given {
        assert!(half.poll_application(&mut cx).is_pending());
        while let Some(data) = half.take(&cx) {
            taken += data.len();
        }
    }
    half.give_end(TunnelEnd::Finished, &cx);
    assert!(half.wants_poll());
    assert_eq!(half.poll_application(&mut cx), Poll::Ready(()));
    assert!(half.is_finished() && half.result().unwrap().is_ok());
    half.finish().unwrap();
    assert_eq!(Phase::Waiting.after(Event::Upgrade), Some(Phase::Upgraded));
}

// Evidence: REQ-UPG-09
#[test]
fn a_session_that_begins_after_the_departure_is_over_at_once() {
    for websocket in [false, true] {
        let kept: Arc<Mutex<Option<StartResponse>>> = Arc::default();
        let keep = Arc::clone(&kept);
        let application = move |_: Environ, start: StartResponse| {
            *keep.lock().unwrap() = Some(start);
            std::future::pending()
        };
        let environ = asking("websocket").build().unwrap();
        let mut exchange = Exchange::new(Arc::new(application), environ);
        let poller = Poller::new();
        assert!(poller.poll(&mut exchange).is_pending());
        drop(exchange);
        let start = kept.lock().unwrap().take().unwrap();
        let over = async {
            if websocket {
                let mut socket = start.accept(()).unwrap();
                socket.recv().await.unwrap_err().code == 1006
            } else {
                let mut tunnel = start.upgrade("websocket", ()).unwrap();
                tunnel.recv().await.is_err() && tunnel.send("late").await.is_err()
            }
        };
        assert_eq!(poller.poll(&mut std::pin::pin!(over)), Poll::Ready(true), "{websocket}");
    }
}

// Evidence: REQ-UPG-03, REQ-CAP-01
#[test]
fn only_what_was_offered_is_taken_and_only_where_the_server_can() {
    let take =
        |_: Environ, start: StartResponse| async move { Ok(start.upgrade("echo", ())?.finish()) };
    let error = answer(take, asking("other")).unwrap_err();
    assert_eq!((error.status(), error.fault()), (StatusCode::UPGRADE_REQUIRED, Fault::Client));
    let error = answer(take, asking("echo").server(ServerInfo::new("x/1"))).unwrap_err();
    assert_eq!(error.status(), StatusCode::NOT_IMPLEMENTED);
    let accept = |_: Environ, start: StartResponse| async move { Ok(start.accept(())?.finish()) };
    let error = answer(accept, asking("websocket").server(ServerInfo::new("x/1"))).unwrap_err();
    assert_eq!(error.status(), StatusCode::NOT_IMPLEMENTED);
    let error = answer(accept, asking("echo")).unwrap_err();
    assert_eq!(error.status(), StatusCode::UPGRADE_REQUIRED);
    assert!(answer(accept, asking("WebSocket")).unwrap().body().is_upgrade());
}

// Evidence: REQ-WS-05, REQ-WS-06
#[test]
fn an_acceptance_chooses_what_was_offered_and_leaves_the_handshake_alone() {
    let accept = |make: fn() -> Acceptance| {
        let application = move |_: Environ, start: StartResponse| async move {
            Ok(start.accept(make())?.finish())
        };
        answer(application, asking("websocket"))
    };
    let response =
        accept(|| Acceptance::new().subprotocol("chat").field("set-cookie", "a=b")).unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    assert_eq!(response.headers()["set-cookie"], "a=b");
    for (make, requirement) in [
        ((|| Acceptance::new().subprotocol("Chat")) as fn() -> Acceptance, "REQ-WS-06"),
        (|| Acceptance::new().field("sec-websocket-accept", "x"), "REQ-WS-05"),
        (|| Acceptance::new().field("sec-websocket-protocol", "chat"), "REQ-WS-05"),
        (|| Acceptance::new().field("upgrade", "x"), "REQ-RESP-07"),
    ] {
        let error = accept(make).unwrap_err();
        assert_eq!(
            (error.status(), error.requirement()),
            (StatusCode::INTERNAL_SERVER_ERROR, Some(requirement))
        );
    }
}

#[test]
fn messages_cross_the_session_and_the_end_comes_after_them() {
    let echo = |_: Environ, start: StartResponse| async move {
        let mut socket = start.accept(())?;
        assert_eq!(socket.try_recv(), Ok(None));
        let closed = loop {
            match socket.recv().await {
                Ok(message) => socket.send(message).await?,
                Err(closed) => break closed,
            }
        };
        assert_eq!((closed.code, socket.closed()), (4000, Some(closed)));
        assert!(socket.send("late").await.is_err());
        socket.close(CloseCode::NORMAL, "").await
    };
    let mut response = answer(echo, asking("websocket")).unwrap();
    let Some(Session::WebSocket(mut half, _)) = response.body_mut().take_session() else {
        panic!()
    };
    let poller = Poller::new();
    let mut cx = poller.cx();
    assert!(half.poll_application(&mut cx).is_pending());
    half.give(Message::from("a"), &cx);
    half.give(Message::from(vec![1]), &cx);
    assert!(half.poll_application(&mut cx).is_pending());
    assert_eq!(half.take(&cx), Some(Outgoing::Message(Message::from("a"))));
    assert_eq!(half.take(&cx), Some(Outgoing::Message(Message::from(vec![1]))));
    half.give_end(Closed { code: 4000, reason: String::new(), clean: true }, &cx);
    assert!(half.poll_application(&mut cx).is_ready());
    half.finish().unwrap();
}

// Evidence: REQ-UPG-07, REQ-RESP-03
#[test]
fn a_101_is_forwarded_from_an_inner_exchange_or_where_the_server_declares_it() {
    let inner = |_: Environ, start: StartResponse| async move {
        let mut tunnel = start.upgrade("echo", ())?;
        tunnel.recv().await?;
        Ok(tunnel.finish())
    };
    let through = move |environ: Environ, start: StartResponse| async move {
        start.forward(Exchange::new(Arc::new(inner), environ).await?)
    };
    assert!(answer(through, asking("echo")).unwrap().body().is_upgrade());
    let foreign = |_: Environ, start: StartResponse| async move {
        let head = Response::builder()
            .status(101)
            .header("upgrade", "echo")
            .header("connection", "upgrade");
        start.forward(head.body(Empty::<Bytes>::new())?)
    };
    let error = answer(foreign, asking("echo")).unwrap_err();
    assert_eq!(error.requirement(), Some("REQ-RESP-03"));
    let mut server = ServerInfo::new("test/1");
    server.capabilities.forwarded_upgrade = true;
    let response = answer(foreign, asking("echo").server(server.clone())).unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["upgrade"]),
        (101, &"echo".parse().unwrap())
    );
    assert!(answer(foreign, Environ::builder().server(server)).is_err());
}

// Evidence: REQ-UPG-06
#[test]
fn the_head_of_an_upgrade_declares_no_content_whoever_adds_to_it() {
    let declared = |_: Environ, start: StartResponse| async move {
        Ok(start.upgrade("echo", [("content-length", 3)])?.finish())
    };
    assert_eq!(answer(declared, asking("echo")).unwrap_err().requirement(), Some("REQ-UPG-06"));
    let hooked = |_: Environ, mut start: StartResponse| async move {
        start.map_head(|head| head.set_status(StatusCode::OK));
        Ok(start.upgrade("echo", ())?.finish())
    };
    assert_eq!(answer(hooked, asking("echo")).unwrap_err().requirement(), Some("REQ-UPG-06"));
}

#[test]
fn a_session_that_nobody_carries_tells_whoever_waits() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let away = move |_: Environ, start: StartResponse| {
        let sender = sender.clone();
        async move {
            let tunnel = start.upgrade("echo", ())?;
            sender.send(tunnel).unwrap();
            std::future::pending::<rwgi::Result<_>>().await
        }
    };
    drop(answer(away.clone(), asking("echo")).unwrap());
    let mut tunnel = receiver.recv().unwrap();
    let poller = Poller::new();
    assert!(poller.drive(&mut Box::pin(tunnel.recv())).is_err());
    let failing = |_: Environ, start: StartResponse| async move {
        let _tunnel = start.upgrade("echo", ())?;
        Err(Error::application("at once"))
    };
    let mut response = answer(failing, asking("echo")).unwrap();
    let Some(Session::Tunnel(half)) = response.body_mut().take_session() else { panic!() };
    assert!(half.finish().is_err());
}

/// A host of blocking applications accepts on another thread than the one that polls.
#[test]
fn a_session_that_begins_elsewhere_wakes_the_server() {
    for protocol in ["websocket", "echo"] {
        let given: Arc<Mutex<Option<StartResponse>>> = Arc::default();
        let keep = Arc::clone(&given);
        let application = move |_: Environ, start: StartResponse| {
            *keep.lock().unwrap() = Some(start);
            std::future::pending()
        };
        let environ = asking(protocol).build().unwrap();
        let mut exchange = Exchange::new(Arc::new(application), environ);
        let server = Poller::new();
        assert!(server.poll(&mut exchange).is_pending());
        let start = given.lock().unwrap().take().unwrap();
        let session: Box<dyn std::any::Any> = match protocol {
            "websocket" => Box::new(start.accept(()).unwrap()),
            _ => Box::new(start.upgrade(protocol, ()).unwrap()),
        };
        assert_eq!(server.wakes(), 1, "the head of a {protocol} can leave");
        let Poll::Ready(Ok(response)) = server.poll(&mut exchange) else { panic!("{protocol}") };
        assert!(response.body().is_upgrade());
        drop(session);
    }
}
