//! What the pages of docs/wire and docs/lab have readers try in a shell is tried here, and comes out as the pages say.
//!
//! A fence of the kind `console` has commands after `$ `, and below each what it prints. The commands of a page are
//! one shell's. A command that starts a server or the lab starts it on a free port, which the others use in place of 3000 or 3900.
//! `REGENERATE=1` writes what is printed into the pages.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

use socketio_tests::Aliases;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::listeners::Folder;
use crate::program::{Program, SERVER};

const FENCE: &str = "```console\n";
const PLACE: &str = "127.0.0.1:3000";
const LAB: &str = "127.0.0.1:3900";
/// Where the lab's one case is.
const CASE: &str = "127.0.0.1:41233";
/// Behind what a command has printed.
const END: &str = "the end of what that command prints";

/// A shell that knows the server's program, in a folder of its own.
struct Shell {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    server: Option<Program>,
    lab: Option<Program>,
    /// What was found on which addresses, and the addresses that the page has.
    places: Vec<(String, &'static str)>,
    aliases: Aliases,
    _folder: Folder,
}

impl Shell {
    fn start() -> Shell {
        let folder = Folder::new();
        let programs = Path::new(SERVER).parent().expect("a folder").as_os_str().to_owned();
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([PathBuf::from(programs)].into_iter().chain(env::split_paths(&path)));
        let mut child = Command::new("bash")
            .env("PATH", path.expect("a path"))
            .env("NO_COLOR", "1")
            .current_dir(folder.file("."))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("bash starts");
        let input = child.stdin.take().expect("standard input");
        let output = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let (places, aliases) = (Vec::new(), Aliases::default());
        Shell { _child: child, input, output, server: None, lab: None, places, aliases, _folder: folder }
    }

    /// What a command prints.
    async fn run(&mut self, command: &str) -> String {
        if let Some(options) =
            command.strip_prefix("socketio-server --app echo").and_then(|rest| rest.strip_suffix('&'))
        {
            let (server, address) = Program::echo(&options.split_whitespace().collect::<Vec<_>>()).await;
            // It takes the place of one that was there before.
            self.places.retain(|(_, shown)| *shown != PLACE);
            self.places.push((address.to_string(), PLACE));
            self.server = Some(server);
            return format!("listening on http://{PLACE}/\n");
        }
        if let Some(options) =
            command.strip_prefix("socketio-server lab").and_then(|rest| rest.strip_suffix('&'))
        {
            let mut lab = Program::server(
                ["lab", "--listen", "127.0.0.1:0"].into_iter().chain(options.split_whitespace()),
            );
            let line = lab.logged("agents and browsers at http://").await;
            let (_, address) = line.split_once("http://").expect("an address");
            self.places.push((address.to_owned(), LAB));
            self.lab = Some(lab);
            return format!("{}\n", line.replace(address, LAB));
        }
        let there =
            self.places.iter().fold(command.to_owned(), |text, (found, shown)| text.replace(shown, found));
        // `echo` ends a last line that has no end of its own.
        let line = format!("{there}\nprintf '\\n{END}\\n'\n");
        self.input.write_all(line.as_bytes()).await.expect("bash reads");
        let mut printed = String::new();
        loop {
            let line = self.output.next_line().await.expect("text").expect("bash goes on");
            if line == END {
                break;
            }
            printed += &line;
            printed.push('\n');
        }
        // The line end before the mark.
        printed.pop();
        if let Some((_, url)) = printed.split_once("\"url\":\"http://") {
            let (address, _) = url.split_once('"').expect("a text");
            self.places.push((address.to_owned(), CASE));
        }
        let printed = self.places.iter().fold(printed, |text, (found, shown)| text.replace(found, shown));
        let printed = self.aliases.settle(&printed.replace('\u{1e}', "␞"));
        if printed.is_empty() || printed.ends_with('\n') { printed } else { printed + "\n" }
    }
}

impl Shell {
    /// A lab ends well: what it gave has passed.
    async fn end(self) {
        drop(self.server);
        if let Some(mut lab) = self.lab {
            let (status, log) = lab.ended().await;
            assert!(status.success(), "{status}: {log}");
        }
    }
}

/// The page with what its commands print.
async fn made(page: &str) -> String {
    let mut shell = Shell::start();
    let mut pieces = page.split(FENCE);
    let mut made = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (session, rest) = piece.split_once("```").expect("a fence has an end");
        made += FENCE;
        for command in session.lines().filter_map(|line| line.strip_prefix("$ ")) {
            made += &format!("$ {command}\n{}", shell.run(command).await);
        }
        made += "```";
        made += rest;
    }
    shell.end().await;
    made
}

// proves: features/wish/protocol-shown
/// All pages at once, since some commands wait.
#[tokio::test]
async fn what_the_pages_about_the_wire_and_the_lab_have_one_try_comes_out_as_they_say() {
    let found = Command::new("bash").args(["-c", "command -v curl"]).stdout(Stdio::null()).status().await;
    if !found.is_ok_and(|status| status.success()) {
        eprintln!("bash or curl is not installed: what docs/wire and docs/lab have one try is not tried");
        return;
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut pages = tokio::task::JoinSet::new();
    let entries = ["wire", "lab"].map(|folder| fs::read_dir(docs.join(folder)).expect("the pages"));
    for entry in entries.into_iter().flatten() {
        let path = entry.expect("a page").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.spawn(async move {
                let page = fs::read_to_string(&path).expect("a page");
                let made = made(&page).await;
                (path, page, made)
            });
        }
    }
    let mut tried = 0;
    while let Some(done) = pages.join_next().await {
        let (path, page, made) = done.expect("no command hangs or fails");
        tried += page.matches("\n$ ").count();
        if env::var_os("REGENERATE").is_some() && page != made {
            fs::write(&path, &made).expect("the page is written");
            continue;
        }
        let differs = page.lines().zip(made.lines()).find(|(page, made)| page != made);
        assert!(
            page == made,
            "{} shows something else: {differs:?}\nmake it anew with\n\
             REGENERATE=1 cargo test -p socketio-server-cli --test processes wire",
            path.display()
        );
    }
    assert!(tried > 60, "only {tried} commands were found");
}
