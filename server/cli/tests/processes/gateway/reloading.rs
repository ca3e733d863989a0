//! Keys, secrets and certificates that are read again on SIGHUP.

use super::*;

#[tokio::test]
async fn keys_and_secrets_are_read_again_on_sighup() {
    let folder = Folder::new();
    let files = ["api", "webhook", "jwt"].map(|name| folder.file(name).display().to_string());
    let write = |api: &str, webhook: &str, jwt: &str| {
        for (file, text) in files.iter().zip([api, webhook, jwt]) {
            std::fs::write(file, text).expect("to write");
        }
    };
    let (old_jwt, new_jwt) = ("the old secret of 32 or more bytes", "the new secret of 32 or more bytes");
    write(KEY, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", old_jwt);
    let (url, _bodies) = backend().await;
    let options = ["--api-key-file", &files[0], "--webhook", &url, "--webhook-secret-file", &files[1]];
    let (mut program, api, _) = gateway(&[&options[..], &["--jwt-key-file", &files[2]]].concat()).await;
    assert_eq!(post(api, "/api/emit", r#"{"event":"e"}"#).await.status, 200);
    write("another-key-0123456", "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", new_jwt);
    program.signal("HUP").await;
    for file in ["api-key-file", "webhook-secret-file", "jwt-key-file"] {
        program.logged(&format!("{file} was read again")).await;
    }
    assert_eq!(post(api, "/api/emit", r#"{"event":"e"}"#).await.status, 401);
    // What can't be used changes nothing.
    write("short", "whsec_", "short");
    program.signal("HUP").await;
    for file in ["api-key-file", "webhook-secret-file", "jwt-key-file"] {
        let line = program.logged(&format!("{file}: ")).await;
        assert!(line.contains("its old content stays in use"), "{line}");
    }
    write(KEY, "# none", "");
    std::fs::remove_file(&files[0]).expect("it was there");
    program.signal("HUP").await;
    program.logged("api-key-file: ").await;
    let new = [("Authorization", "Bearer another-key-0123456")];
    assert_eq!(Connection::open(api).await.request("GET", "/api/info", &new, b"").await.status, 200);
}

#[tokio::test]
async fn the_authorities_are_read_again_on_sighup() {
    let folder = Folder::new();
    let file = folder.file("ca.pem");
    let renew = || {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(&file, certified.cert.pem()).expect("to write");
    };
    let path = file.display().to_string();
    for caller in ["--webhook", "--echo-auth-url"] {
        renew();
        let options = ["--listen", "127.0.0.1:0", "--ca-file", &path, caller, "https://localhost:1/"];
        let mut program = Program::server(options);
        program.address().await;
        renew();
        program.signal("HUP").await;
        program.logged("ca-file was read again").await;
        std::fs::write(&file, "none").expect("to write");
        program.signal("HUP").await;
        let line = program.logged("ca-file: ").await;
        assert!(line.contains("its old content stays in use"), "{line}");
    }
}
