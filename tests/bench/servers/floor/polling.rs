//! Sessions by long polling: a GET waits until there is something to say, and a task for each session takes
//! what is posted and answers both.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use tokio::sync::oneshot;

use crate::beating;
use crate::canned::OPEN;
use crate::payloads::{self, asked, parameter, payload};

/// All sessions, by their names.
#[derive(Default)]
pub struct Sessions {
    next: AtomicU64,
    doors: Mutex<HashMap<u64, Arc<Doors>>>,
}

/// What requests leave for a session.
#[derive(Default)]
struct Doors(Mutex<Left>);

#[derive(Default)]
struct Left {
    get: Option<oneshot::Sender<Bytes>>,
    post: Option<Post>,
    /// What waits for a GET.
    answer: Option<Bytes>,
    session: Option<Waker>,
}

struct Post {
    body: Bytes,
    answer: Bytes,
    accepted: oneshot::Sender<()>,
}

impl Sessions {
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(sid) = parameter(&request, "sid=") else { return payload(self.open()) };
        let sid = sid.parse().expect("a number");
        let doors = self.doors.lock().unwrap().get(&sid).expect("a session").clone();
        if request.method() == Method::POST {
            let answer = asked(&request);
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            let (accepted, is_accepted) = oneshot::channel();
            doors.post(Post { body, answer, accepted });
            is_accepted.await.expect("a session");
            payloads::accepted()
        } else {
            let (get, answer) = oneshot::channel();
            doors.get(get);
            payload(answer.await.expect("a session"))
        }
    }

    /// Begins a session; gives what its client is to know.
    fn open(&self) -> Bytes {
        let sid = self.next.fetch_add(1, Ordering::Relaxed);
        let doors = Arc::<Doors>::default();
        self.doors.lock().unwrap().insert(sid, doors.clone());
        tokio::spawn(beating(move |cx| {
            doors.look(cx);
            Poll::Pending
        }));
        OPEN.replace("aaaaaaaaaaaaaaaaaaaa", &format!("{sid:020}")).into()
    }
}

impl Doors {
    fn post(&self, post: Post) {
        let mut left = self.0.lock().unwrap();
        left.post = Some(post);
        left.wake();
    }

    /// The session is woken only if it has something to say.
    fn get(&self, get: oneshot::Sender<Bytes>) {
        let mut left = self.0.lock().unwrap();
        left.get = Some(get);
        if left.answer.is_some() {
            left.wake();
        }
    }

    /// The session looks at what was left, and answers who waits.
    fn look(&self, cx: &Context<'_>) {
        let mut left = self.0.lock().unwrap();
        if let Some(Post { body, answer, accepted }) = left.post.take() {
            drop(body);
            left.answer = Some(answer);
            let _ = accepted.send(());
        }
        if left.answer.is_some()
            && let Some(get) = left.get.take()
            && let Some(answer) = left.answer.take()
        {
            let _ = get.send(answer);
        }
        match &mut left.session {
            Some(session) => session.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }
}

impl Left {
    /// One that has not begun to wait will look anyway.
    fn wake(&self) {
        if let Some(session) = &self.session {
            session.wake_by_ref();
        }
    }
}
