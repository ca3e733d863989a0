//! A conversation as a sequence diagram: a lane for each client and one for the server, an arrow for each request,
//! answer and frame. Solid arrows carry packets; what belongs to the transport alone is dashed.

use std::fmt::Write as _;

use super::arrows::{Arrow, Transport, arrows};
use super::stage::Story;

const WIDTH: u32 = 800;
/// Where the lanes begin.
const TOP: u32 = 46;
const LINE: u32 = 17;
/// Columns of a character in the diagram's fixed-width font, in hundredths of a pixel.
const COLUMN: usize = 753;
/// Room for a note beside the server's lane, in tenths of a pixel.
const NOTE: usize = 1640;

/// Light unless the reader prefers dark. The background is its own, since a page's may be neither.
const STYLE: &str = "
  svg { --back: #ffffff; --edge: #d5d9e0; --text: #1d232b; --dim: #5b6673; --http: #1257b8; --ws: #a8480a; --note: #65489c }
  @media (prefers-color-scheme: dark) {
    svg { --back: #12161c; --edge: #343c47; --text: #e7ebf0; --dim: #98a4b3; --http: #74b0ff; --ws: #f2a25c; --note: #c0a6ee }
  }
  text { font: 12.5px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: var(--text); white-space: pre }
  .lane, .note, .legend, .track { font-family: system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif }
  .lane { font-size: 14px; font-weight: 600 }
  .note { font-size: 12px; fill: var(--note) }
  .legend, .track { font-size: 11px; fill: var(--dim) }
  .track { font-weight: 600 }
  .dim { fill: var(--dim) }
  .packet { font-weight: 600 }
  .back { fill: var(--back); stroke: var(--edge) }
  .life { stroke: var(--edge); stroke-width: 2 }
  .number { font-size: 11px; font-weight: 600; fill: var(--back) }
  .arrow { fill: none; stroke-width: 1.75 }
  .dashed { stroke-dasharray: 5 4 }
  .http { --tint: var(--http) } .ws { --tint: var(--ws) }
  .arrow, .rail { stroke: var(--tint) } .head, .disc { fill: var(--tint) } .track { fill: var(--tint) }
  .rail { stroke-width: 3; opacity: .45 }
  .wait { fill: var(--tint); opacity: .35 }
";

/// The story as an SVG document.
pub(super) fn draw(story: &Story) -> String {
    let arrows = arrows(story);
    let layout = Layout::of(story, &arrows);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"back\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        escaped(story.title),
        escaped(&description(story, &arrows)),
        WIDTH - 1,
        layout.height - 1,
        height = layout.height,
    );
    layout.lanes(&mut out);
    layout.tracks(&mut out, &arrows);
    for (index, arrow) in arrows.iter().enumerate() {
        layout.wait(&mut out, index, arrow, &arrows);
    }
    for (index, arrow) in arrows.iter().enumerate() {
        layout.arrow(&mut out, index, arrow);
    }
    layout.legend(&mut out, &arrows);
    out + "</svg>\n"
}

/// For those who don't see it.
fn description(story: &Story, arrows: &[Arrow]) -> String {
    let mut text = String::new();
    for (index, arrow) in arrows.iter().enumerate() {
        let client = story.clients()[arrow.client];
        let (from, to) = if arrow.from_client { (client, "server") } else { ("server", client) };
        let by = match arrow.transport {
            Transport::Http => "HTTP",
            Transport::WebSocket => "WebSocket",
        };
        let what: Vec<_> = std::iter::once(shortened(&arrow.head))
            .chain(
                arrow.packets.iter().map(|packet| format!("{} ({})", shortened(&packet.text), packet.gloss)),
            )
            .filter(|what| !what.is_empty())
            .collect();
        let _ = write!(text, "{}. {from} to {to}, {by}: {}.", index + 1, what.join(", "));
        for note in &arrow.notes {
            let _ = write!(text, " {note}.");
        }
        text.push('\n');
    }
    text
}

/// Where everything stands.
struct Layout {
    clients: Vec<(&'static str, u32)>,
    server: u32,
    /// Of each arrow: where its first line of text stands, and the arrow.
    rows: Vec<(u32, u32)>,
    height: u32,
    side_by_side: bool,
}

impl Layout {
    fn of(story: &Story, arrows: &[Arrow]) -> Layout {
        let names = story.clients();
        let (columns, server) = match names.len() {
            1 => (&[166][..], 618),
            _ => (&[86, 726][..], 406),
        };
        assert!(names.len() <= columns.len(), "there is no place for {names:?}");
        let mut rows = Vec::new();
        // Where the next row is: side by side each client has its own until the next step, else they share one.
        let side_by_side = !story.steps.is_empty();
        let mut next = vec![TOP + 26; names.len()];
        for (index, arrow) in arrows.iter().enumerate() {
            if !side_by_side || story.steps.contains(&(index + 1)) {
                let lowest = next.iter().copied().max().unwrap_or(TOP);
                next.fill(lowest);
            }
            let y = &mut next[arrow.client];
            let lines = lines(arrow).len().max(1) as u32;
            let notes = arrow.notes.iter().map(|note| wrapped(note).len() as u32).sum::<u32>();
            rows.push((*y, *y + (lines - 1) * LINE + 8));
            *y += ((lines - 1) * LINE + 38).max(if side_by_side { 0 } else { notes * 15 + 12 });
        }
        let y = next.into_iter().max().unwrap_or(TOP);
        let clients = names.into_iter().zip(columns.iter().copied()).collect();
        Layout { clients, server, rows, height: y + 16, side_by_side }
    }

    fn lanes(&self, out: &mut String) {
        let server = [("server", self.server)];
        for (name, x) in self.clients.iter().chain(&server) {
            let _ =
                writeln!(out, "<text class=\"lane\" x=\"{x}\" y=\"28\" text-anchor=\"middle\">{name}</text>");
            let bottom = self.height - 40;
            let _ =
                writeln!(out, "<line class=\"life\" x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{bottom}\"/>");
        }
    }

    /// Where the number of an arrow stands: with one client, each transport has a track of its own.
    fn track(&self, transport: Transport, client: usize) -> u32 {
        match transport {
            _ if self.side_by_side && client == 1 => WIDTH - 22,
            _ if self.clients.len() > 1 => 22,
            Transport::Http => 28,
            Transport::WebSocket => 82,
        }
    }

    /// For how long each transport is there.
    fn tracks(&self, out: &mut String, arrows: &[Arrow]) {
        if self.clients.len() > 1 {
            return;
        }
        for (transport, name) in [(Transport::Http, "HTTP"), (Transport::WebSocket, "WebSocket")] {
            let on_it = |arrow: &Arrow| arrow.transport == transport;
            let Some(first) = arrows.iter().position(on_it) else { continue };
            let last = arrows.iter().rposition(on_it).unwrap_or(first);
            let (x, class) = (self.track(transport, 0), class(transport));
            let (from, to) = (self.rows[first].1, self.rows[last].1);
            let _ = writeln!(
                out,
                "<text class=\"track {class}\" x=\"{x}\" y=\"28\" text-anchor=\"middle\">{name}</text>"
            );
            let _ = writeln!(
                out,
                "<line class=\"rail {class}\" x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{to}\"/>"
            );
        }
    }

    /// A request that is not answered at once: a bar on the server's lane until it is.
    fn wait(&self, out: &mut String, index: usize, arrow: &Arrow, arrows: &[Arrow]) {
        let Some(request) = arrow.answers.filter(|request| request + 1 < index) else { return };
        if arrows[request].transport == Transport::WebSocket {
            return;
        }
        let (from, to) = (self.rows[request].1, self.rows[index].1);
        let (x, height) = (self.server - 4, to - from);
        let _ = writeln!(
            out,
            "<rect class=\"wait http\" x=\"{x}\" y=\"{from}\" width=\"8\" height=\"{height}\" rx=\"2\"/>"
        );
    }

    fn arrow(&self, out: &mut String, index: usize, arrow: &Arrow) {
        let (text_y, y) = self.rows[index];
        let client = self.clients[arrow.client].1;
        let (from, to) = if arrow.from_client { (client, self.server) } else { (self.server, client) };
        let class = class(arrow.transport);
        let dashed = if arrow.packets.is_empty() { " dashed" } else { "" };
        let (left, right) = (client.min(self.server), client.max(self.server));
        // The number, the line and its head.
        let track = self.track(arrow.transport, arrow.client);
        let _ = writeln!(out, "<circle class=\"disc {class}\" cx=\"{track}\" cy=\"{y}\" r=\"10\"/>");
        let number = index + 1;
        let _ = writeln!(
            out,
            "<text class=\"number\" x=\"{track}\" y=\"{}\" text-anchor=\"middle\">{number}</text>",
            y + 4
        );
        let (step, tail) = if from < to { (-9, to - 3) } else { (9, to + 3) };
        let _ = writeln!(
            out,
            "<line class=\"arrow {class}{dashed}\" x1=\"{from}\" y1=\"{y}\" x2=\"{tail}\" y2=\"{y}\"/>"
        );
        let base = i64::from(to) + step;
        let _ = writeln!(
            out,
            "<path class=\"head {class}\" d=\"M{to} {y} L{base} {} L{base} {} Z\"/>",
            y - 5,
            y + 5
        );
        // What it says.
        let columns = ((right - left) as usize - 30) * 100 / COLUMN;
        let mut line_y = text_y;
        for mut line in lines(arrow) {
            if self.clients.len() > 1 {
                line.head = line.head.replace("/socket.io/", "…");
            }
            let _ = writeln!(out, "<text x=\"{}\" y=\"{line_y}\">{}</text>", left + 16, line.fitted(columns));
            line_y += LINE;
        }
        if self.side_by_side {
            return;
        }
        // What it means, on the server's other side.
        let (x, anchor) =
            if client < self.server { (self.server + 14, "start") } else { (self.server - 14, "end") };
        let mut line_y = text_y + 4;
        for note in arrow.notes.iter().flat_map(|note| wrapped(note)) {
            let note = escaped(note.trim_end());
            let _ = writeln!(
                out,
                "<text class=\"note\" x=\"{x}\" y=\"{line_y}\" text-anchor=\"{anchor}\">{note}</text>"
            );
            line_y += 15;
        }
    }

    /// What the strokes mean, where there is more than one kind.
    fn legend(&self, out: &mut String, arrows: &[Arrow]) {
        if arrows.iter().all(|arrow| !arrow.packets.is_empty()) {
            return;
        }
        let mut says = vec!["solid: carries packets", "dashed: the transport's own, without a packet"];
        let waits = |(index, arrow): (usize, &Arrow)| {
            arrow
                .answers
                .is_some_and(|request| request + 1 < index && arrows[request].transport == Transport::Http)
        };
        if arrows.iter().enumerate().any(waits) {
            says.push("bar: a request that waits for its answer");
        }
        let (x, y) = (WIDTH / 2, self.height - 16);
        let _ = writeln!(
            out,
            "<text class=\"legend\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
            says.join("   ·   ")
        );
    }
}

fn class(transport: Transport) -> &'static str {
    match transport {
        Transport::Http => "http",
        Transport::WebSocket => "ws",
    }
}

/// A line above an arrow: what is the transport's, a packet, the name of its type.
#[derive(Default)]
struct Line {
    head: String,
    packet: String,
    gloss: String,
}

fn lines(arrow: &Arrow) -> Vec<Line> {
    let head = shortened(&arrow.head);
    let mut lines: Vec<Line> = Vec::new();
    for packet in &arrow.packets {
        lines.push(Line { packet: shortened(&packet.text), gloss: packet.gloss.clone(), ..Line::default() });
    }
    if !head.is_empty() {
        match lines.first_mut() {
            Some(first) => first.head = head,
            None => lines.push(Line { head, ..Line::default() }),
        }
    }
    lines
}

impl Line {
    /// The line's text in so many columns; the packet is cut where it is too long.
    fn fitted(&self, columns: usize) -> String {
        let mut out = String::new();
        let mut left = columns;
        if !self.head.is_empty() {
            let head = cut(&self.head, left);
            left -= head.chars().count().min(left);
            let _ = write!(out, "<tspan class=\"dim\">{}</tspan>", escaped(&head));
        }
        if !self.packet.is_empty() {
            if !out.is_empty() {
                out += "  ";
                left = left.saturating_sub(2);
            }
            let mut gloss = if self.gloss.is_empty() { String::new() } else { format!("  {}", self.gloss) };
            // Rather all of the packet than its name, and the name rather than half of the packet.
            let len = self.packet.chars().count();
            if len <= left && len + gloss.len() > left {
                gloss.clear();
            }
            let packet = cut(&self.packet, left.saturating_sub(gloss.chars().count()));
            let _ = write!(out, "<tspan class=\"packet\">{}</tspan>", escaped(&packet));
            let _ = write!(out, "<tspan class=\"dim\">{}</tspan>", escaped(&gloss));
        }
        out
    }
}

fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// Ids are 20 characters, of which the first four are enough to know one again; offsets count, so that their last
/// digits differ.
fn shortened(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        if end == 20 && rest[..end].chars().any(char::is_uppercase) {
            out += &rest[..4];
            out.push('…');
        } else if end == 16 && rest[..end].chars().all(|c| c.is_ascii_digit()) {
            out.push('…');
            out += &rest[13..end];
        } else {
            out += &rest[..end];
        }
        rest = &rest[end..];
        let next = rest.find(word).unwrap_or(rest.len());
        out += &rest[..next];
        rest = &rest[next..];
    }
    out
}

fn wrapped(note: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    // The names of faults are words with underscores.
    for word in note.split_inclusive([' ', '_']) {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() || width(line) + width(word.trim_end()) <= NOTE {
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Of a note's text, about.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c.is_uppercase() || c == '_' { 88 } else { 63 }).sum()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
