//! Explains what a person pastes into the page: `POST /explain?eio=4&from=client`, with the input as its body.
//!
//! [`socketio_explain::page`] says it; this takes the input, as long as it may be and while it may come.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use socketio_explain::page;
use tokio::time::timeout;

/// How long the input may take to come.
const COMING: Duration = Duration::from_secs(10);

/// The status, and the JSON of the answer.
pub(super) async fn answer<B>(query: &str, body: B) -> (StatusCode, String)
where
    B: http_body::Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let bytes = match timeout(COMING, Limited::new(body, page::LONGEST).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return (StatusCode::PAYLOAD_TOO_LARGE, page::too_long());
        }
        Ok(Err(_)) => return (StatusCode::BAD_REQUEST, page::problem("the input did not come whole")),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, page::problem("the input did not come in time")),
    };
    let query = query.to_owned();
    // It takes a while if the input is long.
    match tokio::task::spawn_blocking(move || page::answer(&query, &bytes)).await {
        Ok(answer) => (StatusCode::OK, answer),
        Err(_) => {
            let problem = page::problem("the explanation failed, which is a fault of the server");
            (StatusCode::INTERNAL_SERVER_ERROR, problem)
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use serde_json::Value;

    use super::*;

    async fn ask(query: &str, body: impl Into<bytes::Bytes>) -> (u16, Value) {
        let (status, json) = answer(query, Full::new(body.into())).await;
        (status.as_u16(), serde_json::from_str(&json).expect("JSON"))
    }

    #[tokio::test]
    async fn the_body_is_explained_as_the_query_says() {
        let (status, json) = ask("from=client", "44{}").await;
        assert_eq!(status, 200);
        assert_eq!(json["messages"][0]["broken"]["rule"]["id"], "CONNECT_ERROR_FROM_CLIENT");
        // That is an answer as well.
        let (status, json) = ask("", "{\"journal\":1").await;
        assert_eq!(status, 200);
        assert!(json["error"].is_string(), "{json}");
    }

    #[tokio::test]
    async fn no_more_is_taken_than_a_page_can_show() {
        assert_eq!(ask("", "4".repeat(page::LONGEST)).await.0, 200);
        let (status, json) = ask("", "4".repeat(page::LONGEST + 1)).await;
        assert_eq!(status, 413);
        assert!(json["error"].is_string(), "{json}");
    }
}
