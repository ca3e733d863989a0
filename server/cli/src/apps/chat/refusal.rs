//! Why something was not done, in words for people and codes for programs.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::limits::{GUEST, MAX_NAME, MAX_ROOMS, MAX_TEXT};

/// What is wrong can be said of a name, a room's or a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Word {
    Name,
    Room,
    Message,
}

/// Why something was not done. It serialises as `{"ok":false,"code":…,"message":…}`, with a code for
/// programs and a sentence for people.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    Empty(Word),
    TooLong(Word),
    Invisible(Word),
    /// Combining marks without a letter, or too many on one.
    Marks(Word),
    Reserved,
    Taken(String),
    /// Somebody has a name that looks the same.
    LooksTaken(String),
    UnknownName(String),
    NotJoined(String),
    TooManyRooms,
    TooFast,
    /// Who asked has left meanwhile.
    Left,
}

impl Refusal {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Refusal::Empty(_) => "empty",
            Refusal::TooLong(_) => "too-long",
            Refusal::Invisible(_) => "invisible",
            Refusal::Marks(_) => "marks",
            Refusal::Reserved => "reserved",
            Refusal::Taken(_) | Refusal::LooksTaken(_) => "taken",
            Refusal::UnknownName(_) => "unknown-name",
            Refusal::NotJoined(_) => "not-joined",
            Refusal::TooManyRooms => "too-many-rooms",
            Refusal::TooFast => "too-fast",
            Refusal::Left => "left",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Empty(Word::Message) => f.write_str("There is nothing to send."),
            Refusal::Empty(word) => write!(f, "{word} needs at least one character."),
            Refusal::TooLong(Word::Message) => write!(f, "A message has at most {MAX_TEXT} characters."),
            Refusal::TooLong(word) => write!(f, "{word} has at most {MAX_NAME} characters."),
            Refusal::Invisible(word) => write!(f, "{word} can't have invisible characters."),
            Refusal::Marks(word) => {
                write!(f, "{word} can't begin with an accent, or have more than four on one letter.")
            }
            Refusal::Reserved => write!(f, "Names that begin with “{GUEST}” are given to guests."),
            Refusal::Taken(name) => write!(f, "“{name}” is taken."),
            Refusal::LooksTaken(name) => {
                write!(f, "“{name}” looks like a name that is taken. Choose another.")
            }
            Refusal::UnknownName(name) => write!(f, "Nobody here is called “{name}”."),
            Refusal::NotJoined(room) => write!(f, "You are not in #{room}."),
            Refusal::TooManyRooms => write!(f, "You can be in at most {MAX_ROOMS} rooms. Leave one first."),
            Refusal::TooFast => f.write_str("That was too much at once. Wait a moment, then send it again."),
            Refusal::Left => f.write_str("You have left."),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Word::Name => "A name",
            Word::Room => "A room's name",
            Word::Message => "A message",
        })
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut answer = serializer.serialize_struct("Refusal", 3)?;
        answer.serialize_field("ok", &false)?;
        answer.serialize_field("code", self.code())?;
        answer.serialize_field("message", &self.to_string())?;
        answer.end()
    }
}
