//! MessagePack, as the npm package `socket.io-msgpack-parser` has it: each packet is a map with `type`, `nsp`, and `data` and `id` where it
//! has them, in one binary message. Bytes are shown as `{"bytes": [...]}`, which JSON has no other way to say.

use serde_json::{Map, Value, json};

/// How deep values may lie in each other.
const DEEPEST: usize = 100;

/// Writes a value.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

/// Reads a value, which must be all that there is.
#[must_use]
pub fn decode(mut bytes: &[u8]) -> Option<Value> {
    let value = read(&mut bytes, 0)?;
    bytes.is_empty().then_some(value)
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(yes) => out.push(if *yes { 0xc3 } else { 0xc2 }),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(small @ 0..128), _) => out.push(u8::try_from(small).unwrap_or_default()),
            (Some(whole), _) => {
                out.push(0xd3);
                out.extend(whole.to_be_bytes());
            }
            (None, float) => {
                out.push(0xcb);
                out.extend(float.unwrap_or_default().to_be_bytes());
            }
        },
        Value::String(text) => {
            length(text.len(), (0xa0, 32), [Some(0xd9), Some(0xda), Some(0xdb)], out);
            out.extend(text.as_bytes());
        }
        Value::Array(list) => {
            length(list.len(), (0x90, 16), [None, Some(0xdc), Some(0xdd)], out);
            list.iter().for_each(|value| write(value, out));
        }
        Value::Object(fields) => match fields.get("bytes").and_then(Value::as_array) {
            Some(bytes) => {
                length(bytes.len(), (0, 0), [Some(0xc4), Some(0xc5), Some(0xc6)], out);
                out.extend(bytes.iter().filter_map(Value::as_u64).filter_map(|byte| u8::try_from(byte).ok()));
            }
            None => {
                length(fields.len(), (0x80, 16), [None, Some(0xde), Some(0xdf)], out);
                for (name, value) in fields {
                    write(&json!(name), out);
                    write(value, out);
                }
            }
        },
    }
}

/// Writes a length: in the mark itself if it is short, or after the mark for its width.
fn length(length: usize, (short, most): (u8, usize), marks: [Option<u8>; 3], out: &mut Vec<u8>) {
    match (u8::try_from(length), u16::try_from(length), marks) {
        (Ok(small), ..) if length < most => out.push(short | small),
        (Ok(small), _, [Some(mark), ..]) => out.extend([mark, small]),
        (_, Ok(middle), [_, Some(mark), _]) => {
            out.push(mark);
            out.extend(middle.to_be_bytes());
        }
        _ => {
            out.extend(marks[2]);
            out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// A number of so many bytes.
fn number(bytes: &mut &[u8], width: usize) -> Option<u64> {
    Some(take(bytes, width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn size(bytes: &mut &[u8], width: usize) -> Option<usize> {
    usize::try_from(number(bytes, width)?).ok()
}

fn read(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let mark = take(bytes, 1)?[0];
    let width = |first: u8| 1usize << (mark - first);
    Some(match mark {
        0..0x80 => json!(mark),
        0x80..0x90 => map(bytes, usize::from(mark & 0x0f), depth)?,
        0x90..0xa0 => list(bytes, usize::from(mark & 0x0f), depth)?,
        0xa0..0xc0 => text(bytes, usize::from(mark & 0x1f))?,
        0xc0 => Value::Null,
        0xc2 | 0xc3 => json!(mark == 0xc3),
        0xc4..=0xc6 => {
            let length = size(bytes, width(0xc4))?;
            json!({"bytes": take(bytes, length)?})
        }
        // An extension: the reference writes what is undefined as one.
        0xc7..=0xc9 => {
            let length = size(bytes, width(0xc7))?;
            take(bytes, length.checked_add(1)?)?;
            Value::Null
        }
        0xca => json!(f32::from_be_bytes(take(bytes, 4)?.try_into().ok()?)),
        0xcb => json!(f64::from_be_bytes(take(bytes, 8)?.try_into().ok()?)),
        0xcc..=0xcf => json!(number(bytes, width(0xcc))?),
        0xd0..=0xd3 => {
            let width = width(0xd0);
            let shift = 64 - 8 * u32::try_from(width).ok()?;
            json!((number(bytes, width)? << shift).cast_signed() >> shift)
        }
        0xd4..=0xd8 => {
            take(bytes, width(0xd4) + 1)?;
            Value::Null
        }
        0xd9..=0xdb => {
            let length = size(bytes, width(0xd9))?;
            text(bytes, length)?
        }
        0xdc | 0xdd => {
            let length = size(bytes, 2 * width(0xdc))?;
            list(bytes, length, depth)?
        }
        0xde | 0xdf => {
            let length = size(bytes, 2 * width(0xde))?;
            map(bytes, length, depth)?
        }
        0xe0.. => json!(mark.cast_signed()),
        0xc1 => return None,
    })
}

fn text(bytes: &mut &[u8], length: usize) -> Option<Value> {
    std::str::from_utf8(take(bytes, length)?).ok().map(Value::from)
}

fn list(bytes: &mut &[u8], length: usize, depth: usize) -> Option<Value> {
    (0..length).map(|_| read(bytes, depth + 1)).collect()
}

fn map(bytes: &mut &[u8], length: usize, depth: usize) -> Option<Value> {
    let mut fields = Map::new();
    for _ in 0..length {
        let Value::String(name) = read(bytes, depth + 1)? else { return None };
        fields.insert(name, read(bytes, depth + 1)?);
    }
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let long = "x".repeat(70_000);
        let many: Vec<usize> = (0..300).collect();
        for value in [
            json!({"type": 2, "nsp": "/", "id": 12, "data": ["e", {"bytes": [1, 2]}, null, true]}),
            json!([-1, -40_000, 127, 128, 1.5, "", "é", long, many, {}, {"bytes": many.iter().map(|n| n % 256).collect::<Vec<_>>()}]),
        ] {
            assert_eq!(decode(&encode(&value)), Some(value));
        }
    }

    #[test]
    fn what_the_reference_writes_is_read() {
        let bytes = b"\x84\xa4type\x02\xa4data\x92\xa1e\xc4\x02\x01\x02\xa2id\x0c\xa3nsp\xa1/";
        assert_eq!(
            decode(bytes),
            Some(json!({"type": 2, "data": ["e", {"bytes": [1, 2]}], "id": 12, "nsp": "/"}))
        );
        let numbers = b"\x96\xcc\xff\xcd\x01\x00\xd0\xff\xd1\xff\x00\xd4\x00\x00\xe0";
        assert_eq!(decode(numbers), Some(json!([255, 256, -1, -256, null, -32])));
        for broken in [&b"\xc1"[..], b"\x92\x01", b"\xdd\xff\xff\xff\xff", b"\x81\x01\x01", b"\x01\x01"] {
            assert_eq!(decode(broken), None);
        }
    }
}
