//! Tasks that end.

use std::panic::resume_unwind;

use tokio::task::JoinError;

/// What a task came to; `None` if it was told to stop. A panic goes on where its task is waited for: what is broken
/// must not look like a finding, or like nothing at all.
pub(crate) fn with_its_panic<T>(done: Result<T, JoinError>) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "of a task")]
    async fn a_panic_goes_on_where_its_task_is_waited_for() {
        with_its_panic(tokio::spawn(async { panic!("of a task") }).await);
    }

    #[tokio::test]
    async fn a_task_that_was_stopped_came_to_nothing() {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        assert_eq!(with_its_panic(task.await), None);
    }
}
