//! What runs on a connection: it may wait for other things than messages, and may go on after the end.

use std::future::ready;
use std::sync::Mutex;

use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

use super::{accepting, start};

#[tokio::test]
async fn an_application_sends_when_something_else_happens() {
    let (news, read) = mpsc::channel::<String>(1);
    let read = Mutex::new(Some(read));
    let server = start(|server| {
        server.websocket("/ws", move |request| {
            let mut read = read.lock().unwrap().take().unwrap();
            ready(Ok(request.accept().run(async move |mut websocket| {
                loop {
                    tokio::select! {
                        Some(news) = read.recv() => websocket.send(news).unwrap(),
                        message = websocket.next() => match message {
                            Some(message) => websocket.send(message).unwrap(),
                            None => break,
                        },
                    }
                }
            })))
        })
    })
    .await;
    let mut websocket = server.websocket("/ws").await;
    for number in 0..3 {
        news.send(format!("news {number}")).await.unwrap();
        assert_eq!(websocket.next_text().await, format!("news {number}"));
        websocket.text("and you?").await;
        assert_eq!(websocket.next_text().await, "and you?");
    }
}

#[tokio::test]
async fn an_application_that_yields_goes_on() {
    let server = accepting(
        |accept| accept,
        |mut websocket| async move {
            while let Some(message) = websocket.next().await {
                for _ in 0..100 {
                    yield_now().await;
                }
                websocket.send(message).unwrap();
            }
        },
    )
    .await;
    let mut websocket = server.websocket("/ws").await;
    for word in ["one", "two"] {
        websocket.text(word).await;
        assert_eq!(websocket.next_text().await, word);
    }
}

#[tokio::test]
async fn an_application_ends_its_work_after_its_connection() {
    let (done, mut is_done) = mpsc::unbounded_channel();
    let (go, wait) = oneshot::channel::<()>();
    let wait = Mutex::new(Some(wait));
    let server = start(|server| {
        server.websocket("/ws", move |request| {
            let (done, wait) = (done.clone(), wait.lock().unwrap().take());
            ready(Ok(request.accept().run(async move |mut websocket| {
                assert_eq!(websocket.next().await, None);
                done.send("it sees the end").unwrap();
                wait.unwrap().await.unwrap();
                done.send("it has cleaned up").unwrap();
            })))
        })
    })
    .await;
    drop(server.websocket("/ws").await);
    assert_eq!(is_done.recv().await, Some("it sees the end"));
    server.stop().await;
    go.send(()).unwrap();
    assert_eq!(is_done.recv().await, Some("it has cleaned up"));
}
