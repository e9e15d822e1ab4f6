//! The operations of an exchange in any order, by either party, against the table.
//!
//! An octet is one operation. Bits 0 to 3 choose it: 0 to 3 are a poll by the server, 15 is its departure (where bits 4 to 6 are all set),
//! the others choose from what the application can do with what it holds; bits 4 to 6 say with what. Bit 7 says that it waits until the
//! server polls and happens inside the application's own future; without it, it happens at once, as from another task. The first octet
//! says in bit 0 whether the request is HEAD, in bit 1 whether the server takes the rest at the end or leaves, and in bit 2 whether the request
//! offers an upgrade; with a session a poll of 1 gives it a piece first, and one of 2 the client's end. What the types make
//! impossible (a second answer, a write after the end) is left out; everything else has to come out as the model has it, at each step:
//! what a call gives, what a poll gives, who is woken, what the callbacks hear, and that nothing stays behind.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use http::Method;
use http_body::Body;
use rwgi::{
    Environ, Exchange, Octets, ResponseBody, Session, SessionHalf, StartResponse, UpgradeOffer,
};

use crate::common::{Log, Poller, capable};
use crate::hands::{Act, Hands, Returns, letters};
use crate::model::{Expected, Model, Return};
use crate::tunnel::{give, take};

pub(crate) fn play(octets: &[u8]) {
    let Some((first, operations)) = octets.split_first() else { return };
    let hands = Arc::new(Mutex::new(Hands::default()));
    let is_head = first & 1 == 1;
    let offers = first & 4 != 0;
    {
        let mut hands = hands.lock().unwrap();
        hands.model = Some(Model::new(is_head));
        hands.offered = offers;
    }
    let log = Log::default();
    let marker = Arc::new(());
    let mut server = Server::new(&hands, &log, &marker, (is_head, offers));
    let elsewhere = Poller::new();
    for octet in operations.iter().take(40) {
        let (choice, with) = (usize::from(octet & 0x0f), usize::from(octet >> 4 & 7));
        match choice {
            0..4 => server.poll(&hands, choice),
            15 if with < 7 => {}
            15 => server.drop(&hands),
            _ => {
                let mut hands = hands.lock().unwrap();
                // To return is the future's own.
                if octet & 0x80 != 0 || matches!(hands.choose(choice), Act::Return | Act::Fail) {
                    hands.inside.push_back((choice, with));
                    server.called = true;
                } else {
                    hands.act(choice, with, &elsewhere.cx(), Some(elsewhere.wakes()), &log);
                }
            }
        }
        check_wakes(&hands, &server, &elsewhere);
    }
    if first & 2 != 0 {
        // An application that has not answered by now fails.
        hands.lock().unwrap().inside.push_back((14, 2));
        (0..16).for_each(|_| server.poll(&hands, 0));
    }
    server.drop(&hands);
    check_wakes(&hands, &server, &elsewhere);
    let hands = std::mem::take(&mut *hands.lock().unwrap());
    let model = hands.model.as_ref().unwrap();
    assert_eq!(server.informed.load(SeqCst), hands.informed, "{model:?}");
    let told = log.all();
    assert_eq!(told.len(), hands.callbacks, "each callback once: {model:?}");
    for outcome in told {
        let told =
            (outcome.kind(), outcome.status().map(|status| status.as_u16()), outcome.bytes());
        // One that was registered after the end hears of its kind only.
        let late = (outcome.kind(), None, 0);
        let expected = model.outcome.unwrap();
        assert!(told == expected || (told == late && model.phase.is_end()), "{told:?}: {model:?}");
    }
    drop(hands);
    assert_eq!(Arc::strong_count(&marker), 1, "something of the application stayed behind");
}

/// A request that offers an upgrade, or not.
fn asking(method: Method, offers: bool) -> Environ {
    let mut environ = capable(method);
    let mut head = http::Request::new(()).into_parts().0;
    head.headers.insert("connection", http::HeaderValue::from_static("upgrade"));
    head.headers.insert("upgrade", http::HeaderValue::from_static("echo"));
    environ.set_upgrade(UpgradeOffer::of_request(&head).filter(|_| offers));
    environ
}

/// Whoever waits for what has happened by now was woken.
fn check_wakes(hands: &Mutex<Hands>, server: &Server, elsewhere: &Poller) {
    let hands = hands.lock().unwrap();
    let model = hands.model.as_ref().unwrap();
    if let Some(wakes) = hands.waits {
        assert!(!model.has_room() || elsewhere.wakes() > wakes, "the writer sleeps on: {model:?}");
    }
    if let (Some(wakes), Some(lanes)) = (hands.listens, &model.lanes) {
        assert!(!lanes.has_word() || elsewhere.wakes() > wakes, "the reader sleeps on: {model:?}");
    }
    if let Some(wakes) = server.waits.filter(|_| !server.called) {
        let news = model.has_news(!matches!(server.half, Half::Head(_)));
        assert!(!news || server.poller.wakes() > wakes, "the server sleeps on: {model:?}");
    }
}

/// The server's half.
struct Server {
    half: Half,
    poller: Poller,
    /// How often it had been woken when it came to wait.
    waits: Option<usize>,
    /// The application was told to do something at the next poll, and it is not the exchange that says so.
    called: bool,
    /// How often it heard an informational response.
    informed: Arc<AtomicUsize>,
}

enum Half {
    Head(Exchange),
    Body(ResponseBody),
    Session(SessionHalf<Octets>),
    Over,
}

impl Server {
    fn new(
        hands: &Arc<Mutex<Hands>>,
        log: &Log,
        marker: &Arc<()>,
        (is_head, offers): (bool, bool),
    ) -> Self {
        let (hands, log, marker) = (Arc::clone(hands), log.clone(), Arc::clone(marker));
        let application = move |_: Environ, token: StartResponse| {
            let (hands, log, marker) = (Arc::clone(&hands), log.clone(), Arc::clone(&marker));
            hands.lock().unwrap().token = Some(token);
            async move {
                let _here = marker;
                poll_fn(|cx| {
                    let mut hands = hands.lock().unwrap();
                    while hands.returns.is_none()
                        && let Some((choice, with)) = hands.inside.pop_front()
                    {
                        hands.act(choice, with, cx, None, &log);
                    }
                    match hands.returns.take() {
                        Some(Returns::This(result)) => Poll::Ready(result),
                        None => Poll::Pending,
                        Some(Returns::Panic) => {
                            drop(hands);
                            panic!("as planned")
                        }
                    }
                })
                .await
            }
        };
        let informed = Arc::new(AtomicUsize::new(0));
        let heard = Arc::clone(&informed);
        let method = if is_head { Method::HEAD } else { Method::GET };
        let exchange = Exchange::new(Arc::new(application), asking(method, offers))
            .on_informational(move |status, _| {
                assert_eq!(status, 103);
                heard.fetch_add(1, SeqCst);
            });
        Self {
            half: Half::Head(exchange),
            poller: Poller::new(),
            waits: None,
            called: false,
            informed,
        }
    }

    /// Carries the session once around: gives, polls, takes, and waits.
    fn carry(&mut self, hands: &Mutex<Hands>, choice: usize) {
        let Half::Session(half) = &mut self.half else { return };
        let before = hands.lock().unwrap().model.as_ref().unwrap().returned;
        if let Some(lanes) = &mut hands.lock().unwrap().model.as_mut().unwrap().lanes {
            give(half, choice, &self.poller, lanes);
        }
        let mut ready;
        loop {
            ready = half.poll_application(&mut self.poller.cx()).is_ready();
            if let Some(lanes) = &mut hands.lock().unwrap().model.as_mut().unwrap().lanes {
                take(half, &self.poller, lanes);
            }
            if ready || !half.wants_poll() && half.park(&self.poller.cx()) {
                break;
            }
        }
        let mut hands = hands.lock().unwrap();
        let model = hands.model.as_mut().unwrap();
        let just_returned = before.is_none() && model.returned.is_some();
        assert_eq!(model.poll_session(just_returned), ready, "{model:?}");
        self.waits = (!ready).then(|| self.poller.wakes());
        if ready && let Half::Session(half) = std::mem::replace(&mut self.half, Half::Over) {
            let failed = model.returned != Some(Return::Own);
            drop(hands);
            assert_eq!(half.finish().is_err(), failed);
        }
    }

    fn poll(&mut self, hands: &Mutex<Hands>, choice: usize) {
        if matches!(self.half, Half::Session(_)) {
            self.called = false;
            return self.carry(hands, choice);
        }
        let before = hands.lock().unwrap().model.as_ref().unwrap().returned;
        self.called = false;
        self.waits = None;
        let seen = match &mut self.half {
            Half::Over | Half::Session(_) => return,
            Half::Head(exchange) => match self.poller.poll(exchange) {
                Poll::Pending => Expected::Pending,
                Poll::Ready(Err(_)) => Expected::Refusal,
                Poll::Ready(Ok(response)) => {
                    let hands = hands.lock().unwrap();
                    let model = hands.model.as_ref().unwrap();
                    assert_eq!(response.status(), model.head.0, "{model:?}");
                    let mut body = response.into_body();
                    self.half = match body.take_session() {
                        Some(Session::Tunnel(half)) => Half::Session(half),
                        _ => Half::Body(body),
                    };
                    Expected::Response
                }
            },
            Half::Body(body) => match self.poller.frame(body) {
                Poll::Pending => Expected::Pending,
                Poll::Ready(None) => Expected::End,
                Poll::Ready(Some(Err(_))) => Expected::Failure,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        let hands = hands.lock().unwrap();
                        let at = hands.model.as_ref().unwrap().taken;
                        assert_eq!(data, letters(at, data.len()), "bytes are lost or changed");
                        Expected::Data(data.len())
                    }
                    Err(_) => Expected::Trailers,
                },
            },
        };
        let mut hands = hands.lock().unwrap();
        let model = hands.model.as_mut().unwrap();
        let just_returned = before.is_none() && model.returned.is_some();
        let asked_for_head = matches!(
            (seen, &self.half),
            (Expected::Response | Expected::Refusal, _) | (_, Half::Head(_))
        );
        let expected =
            if asked_for_head { model.poll_head() } else { model.poll_frame(just_returned) };
        assert_eq!(seen, expected, "{model:?}");
        match seen {
            Expected::Pending => self.waits = Some(self.poller.wakes()),
            Expected::Refusal => self.half = Half::Over,
            _ => {}
        }
        if let Half::Body(body) = &self.half
            && let Some(left) = body.size_hint().exact()
        {
            let ended = model.outcome.is_some();
            let length = model.head.1.unwrap_or(model.accepted);
            assert!(ended || left as usize == length - model.taken, "{left} left: {model:?}");
        }
    }

    /// Drops what the server has.
    fn drop(&mut self, hands: &Mutex<Hands>) {
        let half = std::mem::replace(&mut self.half, Half::Over);
        let has_head = match &half {
            Half::Over => return,
            Half::Head(_) => false,
            Half::Body(_) | Half::Session(_) => true,
        };
        drop(half);
        hands.lock().unwrap().model.as_mut().unwrap().cancel(has_head);
    }
}

// Evidence: REQ-EXCH-05, REQ-EXCH-10, REQ-EXCH-11, REQ-EXCH-12, REQ-EXCH-13, REQ-EXCH-14, REQ-BODY-16, REQ-BODY-17
#[test]
fn fuzz_operations() {
    bolero::check!().for_each(play);
}
