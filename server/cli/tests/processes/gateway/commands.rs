//! Commands beside the server: its description of the API, and its configuration.

use super::*;

#[tokio::test]
async fn the_api_is_described_by_a_command() {
    let mut program = Program::server(["openapi"]);
    assert_eq!(program.line("").await, "{");
    assert_eq!(program.line("").await, r#" "openapi": "3.1.0","#);
}

#[tokio::test]
async fn a_file_is_checked_by_a_command_and_one_is_printed() {
    let folder = std::env::temp_dir().join(format!("socketio-gateway-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("server.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("a file");
        Program::server(["config".as_ref(), "check".as_ref(), file.as_os_str()])
    };
    let mut right = check("app = 'echo'\n");
    assert!(right.line("").await.ends_with("server.toml is right"));
    assert!(right.ended().await.0.success());
    let (status, told) = check("[gateway]\nwebhok = 'http://a.example'\n").ended().await;
    assert_eq!(status.code(), Some(2));
    assert!(told.ends_with("server.toml, line 2: no such option; did you mean webhook?"), "{told}");
    // What the server reads when it starts is read.
    let webhook = "webhook = 'http://a.example'\n";
    for (text, wanted) in [
        ("jwt-key = 'short'\n".to_owned(), "jwt-key in PATH, line 1: must be a secret of 32 or more bytes"),
        (format!("{webhook}webhook-secret-file = 'no/file'\n"), "webhook-secret-file in PATH, line 2: "),
        ("[gateway.jwt]\nkey-file = 'no/file'\n".to_owned(), "gateway.jwt.key-file in PATH, line 2: "),
        (format!("{webhook}ca-file = 'no/file'\n"), "ca-file in PATH, line 2: can't read certificates"),
        ("api = '3001'\napi-key-file = 'no/file'\n".to_owned(), "api-key-file in PATH, line 2: "),
        ("webhook = 'http://'\n".to_owned(), "webhook in PATH, line 1: must be a URL"),
        ("jwt-key-url = 'http://'\n".to_owned(), "jwt-key-url in PATH, line 1: must be a URL"),
        ("tls-cert = 'no/file'\ntls-key = 'no/key'\n".to_owned(), "tls-cert in PATH, line 1: "),
        ("client-dir = 'no/dir'\n".to_owned(), "client-dir in PATH, line 1: "),
    ] {
        let (status, told) = check(&text).ended().await;
        let wanted = wanted.replace("PATH", &file.display().to_string());
        assert!(status.code() == Some(2) && told.contains(&wanted), "{wanted}, but {told}");
    }
    let mut printed = Program::server(["config", "default"]);
    assert!(printed.line("# Options of socketio-server").await.contains("--config"));
    std::fs::remove_dir_all(&folder).expect("it was there");
}
