//! Who is here, under which name and in which rooms. The chat's rules, without the wire.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use super::limits::{GUEST, MAX_NAME, MAX_ROOMS, MAX_TEXT};
use super::names::{Look, fold, looks, tidy};
use super::pace::Pace;
use super::refusal::{Refusal, Word};

/// Everyone who has the chat open, by the id of their socket.
#[derive(Default)]
pub(super) struct People {
    people: HashMap<String, Person>,
    /// The socket of each name. Names are kept as [`fold`]ed: if somebody is called `Ada`, nobody else is `ada`.
    names: HashMap<String, String>,
    /// What the names that were chosen look like, so that nobody passes for somebody else.
    looks: HashMap<(Look, String), String>,
    rooms: HashMap<String, BTreeSet<String>>,
    guests: u64,
}

/// Somebody who is here.
pub(super) struct Person {
    pub(super) name: String,
    /// Whether they chose the name. Guests did not, and are not on the list.
    pub(super) online: bool,
    pub(super) rooms: BTreeSet<String>,
    pace: Pace,
}

impl People {
    /// Somebody comes in, as a guest. The name that they get.
    pub(super) fn enter(&mut self, id: &str) -> String {
        let name = guest_name(self.guests);
        self.guests += 1;
        self.names.insert(name.clone(), id.into());
        let person =
            Person { name: name.clone(), online: false, rooms: BTreeSet::new(), pace: Pace::default() };
        self.people.insert(id.into(), person);
        name
    }

    /// Somebody leaves, and with them their name and their places in rooms.
    pub(super) fn exit(&mut self, id: &str) -> Option<Person> {
        let person = self.people.remove(id)?;
        self.free(&person.name);
        for room in &person.rooms {
            self.vacate(id, room);
        }
        Some(person)
    }

    /// Somebody who is here.
    pub(super) fn person(&self, id: &str) -> Option<&Person> {
        self.people.get(id)
    }

    /// Everyone who is here, with their ids.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Person)> {
        self.people.iter().map(|(id, person)| (&**id, person))
    }

    /// The names of those who are online, sorted.
    pub(super) fn online(&self) -> Vec<&str> {
        let mut online: Vec<&str> =
            self.people.values().filter(|person| person.online).map(|person| &*person.name).collect();
        online.sort_unstable();
        online
    }

    /// The name of somebody who is here.
    pub(super) fn name(&self, id: &str) -> Result<&str, Refusal> {
        self.people.get(id).map(|person| &*person.name).ok_or(Refusal::Left)
    }

    /// Takes a name. Returns it, tidied, and the one before if that was another.
    pub(super) fn rename(&mut self, id: &str, name: &str) -> Result<(String, Option<String>), Refusal> {
        let name = tidy(Word::Name, name)?;
        let (folded, looks) = (fold(&name), looks(&name));
        if folded.starts_with(GUEST) || looks.iter().any(|(_, look)| look.starts_with(GUEST)) {
            return Err(Refusal::Reserved);
        }
        if self.names.get(&folded).is_some_and(|holder| holder != id) {
            return Err(Refusal::Taken(name));
        }
        if looks.iter().any(|look| self.looks.get(look).is_some_and(|holder| holder != id)) {
            return Err(Refusal::LooksTaken(name));
        }
        let person = self.people.get_mut(id).ok_or(Refusal::Left)?;
        let was = std::mem::replace(&mut person.name, name.clone());
        person.online = true;
        self.free(&was);
        self.names.insert(folded, id.into());
        self.looks.extend(looks.into_iter().map(|look| (look, id.to_owned())));
        let changed = was != name;
        Ok((name, changed.then_some(was)))
    }

    /// The name is anybody's again.
    fn free(&mut self, name: &str) {
        self.names.remove(&fold(name));
        for look in looks(name) {
            self.looks.remove(&look);
        }
    }

    /// Whether somebody may ask for something now, or has asked for too much lately.
    pub(super) fn pace(&mut self, id: &str, now: Instant) -> Result<(), Refusal> {
        let person = self.people.get_mut(id).ok_or(Refusal::Left)?;
        if person.pace.take(now) { Ok(()) } else { Err(Refusal::TooFast) }
    }

    /// Who has that name: their socket's id, and the name as they write it.
    pub(super) fn find(&self, name: &str) -> Result<(&str, &str), Refusal> {
        let unknown = || Refusal::UnknownName(name.chars().take(MAX_NAME).collect());
        let (_, id) = self.names.get_key_value(&fold(name)).ok_or_else(unknown)?;
        Ok((id, self.name(id)?))
    }

    /// Joins a room. Returns its name, and whether that changed anything.
    pub(super) fn join(&mut self, id: &str, room: &str) -> Result<(String, bool), Refusal> {
        let room = room_name(room)?;
        let person = self.people.get_mut(id).ok_or(Refusal::Left)?;
        if person.rooms.contains(&room) {
            return Ok((room, false));
        }
        if person.rooms.len() >= MAX_ROOMS {
            return Err(Refusal::TooManyRooms);
        }
        person.rooms.insert(room.clone());
        self.rooms.entry(room.clone()).or_default().insert(id.into());
        Ok((room, true))
    }

    /// Leaves a room. Returns its name.
    pub(super) fn leave(&mut self, id: &str, room: &str) -> Result<String, Refusal> {
        let room = self.room_of(id, room)?;
        if let Some(person) = self.people.get_mut(id) {
            person.rooms.remove(&room);
        }
        self.vacate(id, &room);
        Ok(room)
    }

    /// The name of a room that somebody is in.
    pub(super) fn room_of(&self, id: &str, room: &str) -> Result<String, Refusal> {
        let room = room_name(room)?;
        let joined = self.people.get(id).is_some_and(|person| person.rooms.contains(&room));
        if joined { Ok(room) } else { Err(Refusal::NotJoined(room)) }
    }

    /// The names of those in a room, sorted.
    pub(super) fn members(&self, room: &str) -> Vec<&str> {
        let mut members: Vec<&str> =
            self.rooms.get(room).into_iter().flatten().filter_map(|id| self.name(id).ok()).collect();
        members.sort_unstable();
        members
    }

    /// Takes somebody's place in a room away, and the room with the last one.
    fn vacate(&mut self, id: &str, room: &str) {
        if let Some(members) = self.rooms.get_mut(room) {
            members.remove(id);
            if members.is_empty() {
                self.rooms.remove(room);
            }
        }
    }
}

/// What somebody wrote, if it can be sent.
pub(super) fn check_text(text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        Err(Refusal::Empty(Word::Message))
    } else if text.chars().count() > MAX_TEXT {
        Err(Refusal::TooLong(Word::Message))
    } else {
        Ok(())
    }
}

/// A name for each number, never the same twice. The first 9,000 have four digits, and don't look like
/// numbers in a row: 7,919 and 9,000 have no common divisor, so each of them comes up once.
fn guest_name(number: u64) -> String {
    let number = if number < 9000 { (number * 7919 + 4217) % 9000 } else { number };
    format!("{GUEST}{}", 1000 + number)
}

/// A room's name. Rooms that differ in case only are the same, and the `#` before it is no part of it. A name has
/// no spaces: in a message, nobody could tell where `#tea time` ends.
fn room_name(room: &str) -> Result<String, Refusal> {
    let room = room.trim_start();
    let name = tidy(Word::Room, room.strip_prefix('#').unwrap_or(room))?;
    Ok(fold(&name).replace(' ', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people_of(ids: &[&str]) -> People {
        let mut people = People::default();
        for id in ids {
            people.enter(id);
        }
        people
    }

    #[test]
    fn each_guest_has_a_name_of_their_own_with_four_digits_at_first() {
        let names: BTreeSet<String> = (0..20_000).map(guest_name).collect();
        assert_eq!(names.len(), 20_000);
        assert!((0..9000).map(guest_name).all(|name| name.len() == GUEST.len() + 4));
    }

    #[test]
    fn guests_can_be_found_but_are_not_online() {
        let mut people = People::default();
        let name = people.enter("a");
        assert_eq!(people.find(&name), Ok(("a", &*name)));
        assert!(people.online().is_empty());
    }

    #[test]
    fn a_name_is_held_by_one_whatever_its_case_and_spaces() {
        let mut people = people_of(&["a", "b"]);
        let guest = people.name("a").expect("a is here").to_owned();
        assert_eq!(
            people.rename("a", " Ada \t Lovelace\n"),
            Ok(("Ada Lovelace".into(), Some(guest.clone())))
        );
        assert_eq!(people.rename("b", "ada lovelace"), Err(Refusal::Taken("ada lovelace".into())));
        assert_eq!(people.find("ADA LOVELACE"), Ok(("a", "Ada Lovelace")));
        assert_eq!(people.find(&guest), Err(Refusal::UnknownName(guest)), "the old name is free");
    }

    #[test]
    fn one_may_change_the_case_of_ones_own_name_and_take_it_again() {
        let mut people = people_of(&["a"]);
        let _ = people.rename("a", "ada");
        assert_eq!(people.rename("a", "Ada"), Ok(("Ada".into(), Some("ada".into()))));
        assert_eq!(people.rename("a", "Ada"), Ok(("Ada".into(), None)), "nothing changed");
        assert_eq!(people.online(), ["Ada"]);
    }

    #[test]
    fn a_refused_name_leaves_the_old_one() {
        let mut people = people_of(&["a", "b"]);
        let _ = people.rename("a", "Ada");
        let _ = people.rename("b", "Ben");
        assert!(people.rename("b", "Ada").is_err());
        assert_eq!(people.online(), ["Ada", "Ben"]);
        assert_eq!(people.find("ben"), Ok(("b", "Ben")));
    }

    #[test]
    fn names_are_refused_that_are_empty_too_long_reserved_or_invisible() {
        let mut people = people_of(&["a"]);
        for (name, refusal) in [
            ("", Refusal::Empty(Word::Name)),
            (" \u{2028}\n", Refusal::Empty(Word::Name)),
            ("x".repeat(25).as_str(), Refusal::TooLong(Word::Name)),
            ("x".repeat(1_000_000).as_str(), Refusal::TooLong(Word::Name)),
            ("Guest-1", Refusal::Reserved),
            ("gu\u{435}st-1", Refusal::Reserved),
            ("Ａd\u{430}\u{200b}", Refusal::Invisible(Word::Name)),
            ("\u{301}", Refusal::Marks(Word::Name)),
        ] {
            assert_eq!(people.rename("a", name), Err(refusal), "{name:?}");
        }
        for name in ["x".repeat(24).as_str(), "日本語", "👩\u{200d}👧"] {
            assert!(people.rename("a", name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn nobody_passes_for_somebody_else() {
        let mut people = people_of(&["a", "b"]);
        let _ = people.rename("a", "Ada");
        for name in ["Аda", "аdа", "ΑDΑ"] {
            assert_eq!(people.rename("b", name), Err(Refusal::LooksTaken(name.into())));
        }
        for name in ["Ａｄａ", "𝐀𝐝𝐚", "ADA"] {
            assert!(matches!(people.rename("b", name), Err(Refusal::Taken(_))), "{name}");
        }
        assert!(people.rename("a", "Аda").is_ok(), "one may write one's own name otherwise");
        assert!(matches!(people.rename("b", "Ada"), Err(Refusal::LooksTaken(_))));
        let _ = people.rename("a", "Eve");
        assert!(people.rename("b", "Ada").is_ok(), "what it looked like is free with the name");
    }

    #[test]
    fn each_member_has_a_pace_of_their_own() {
        let mut people = people_of(&["a", "b"]);
        let now = Instant::now();
        while people.pace("a", now).is_ok() {}
        assert_eq!(people.pace("a", now), Err(Refusal::TooFast));
        assert_eq!(people.pace("b", now), Ok(()));
        assert_eq!(people.pace("c", now), Err(Refusal::Left));
    }

    #[test]
    fn who_leaves_frees_the_name_and_the_places_in_rooms() {
        let mut people = people_of(&["a", "b"]);
        let _ = people.rename("a", "Ada");
        let _ = people.join("a", "tea");
        let _ = people.join("b", "tea");
        let gone = people.exit("a").expect("a was here");
        assert_eq!((&*gone.name, gone.online), ("Ada", true));
        assert_eq!(people.members("tea").len(), 1);
        assert!(people.rename("b", "Ada").is_ok());
        assert!(people.exit("a").is_none(), "one leaves once");
    }

    #[test]
    fn nothing_is_kept_of_those_who_left() {
        let mut people = people_of(&["a", "b"]);
        for id in ["a", "b"] {
            let _ = people.rename(id, id);
            let _ = people.join(id, "tea");
            let _ = people.join(id, id);
            people.exit(id);
        }
        assert!(
            people.people.is_empty()
                && people.names.is_empty()
                && people.rooms.is_empty()
                && people.looks.is_empty()
        );
    }

    #[test]
    fn rooms_are_joined_once_under_any_case_and_left_once() {
        let mut people = people_of(&["a"]);
        assert_eq!(people.join("a", " #Tea  Room"), Ok(("tea-room".into(), true)), "with no space in it");
        assert_eq!(people.join("a", "TEA ROOM"), Ok(("tea-room".into(), false)));
        assert_eq!(people.room_of("a", "Tea-Room"), Ok("tea-room".into()));
        assert_eq!(people.leave("a", "#tea room"), Ok("tea-room".into()));
        assert_eq!(people.leave("a", "tea room"), Err(Refusal::NotJoined("tea-room".into())));
        assert_eq!(people.join("a", "#"), Err(Refusal::Empty(Word::Room)));
    }

    #[test]
    fn one_is_in_32_rooms_at_most() {
        let mut people = people_of(&["a"]);
        for i in 0..32 {
            assert!(people.join("a", &format!("room {i}")).is_ok());
        }
        assert_eq!(people.join("a", "one more"), Err(Refusal::TooManyRooms));
        assert_eq!(people.join("a", "room 3"), Ok(("room-3".into(), false)));
        assert!(people.leave("a", "room 3").is_ok() && people.join("a", "one more").is_ok());
    }

    #[test]
    fn a_message_has_1_to_4000_characters() {
        assert_eq!(check_text(" \n"), Err(Refusal::Empty(Word::Message)));
        assert_eq!(check_text(&"é".repeat(4000)), Ok(()));
        assert_eq!(check_text(&"é".repeat(4001)), Err(Refusal::TooLong(Word::Message)));
    }
}
