use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::args::binary::Binary;

/// What `args` become after an event's name, and in an acknowledgement.
#[expect(clippy::needless_pass_by_value, reason = "as `emit` takes it")]
fn written(args: impl ToArgs + Clone) -> (String, String) {
    let write = |prefix: &str, named| {
        let mut json = prefix.as_bytes().to_vec();
        args.clone().write(&mut ArgsWriter::new(&mut json, named)).unwrap();
        String::from_utf8(json).unwrap()
    };
    (write("[\"e\"", true), write("", false))
}

fn assert_written(args: impl ToArgs + Clone, arguments: &str) {
    let (event, ack) = written(args);
    assert_eq!(ack, format!("[{arguments}]"));
    let comma = if arguments.is_empty() { "" } else { "," };
    assert_eq!(event, format!("[\"e\"{comma}{arguments}]"));
}

/// The arguments of an event, and the same of an acknowledgement.
fn both(arguments: &str, len: usize) -> [Args; 2] {
    let comma = if arguments.is_empty() { "" } else { "," };
    let event = format!("[\"e\"{comma}{arguments}]");
    [
        Args::from_array(event.into(), 1, 4 + comma.len(), len),
        Args::from_array(format!("[{arguments}]").into(), 0, 1, len),
    ]
}

fn read<T: FromArgs + PartialEq + fmt::Debug>(arguments: &str, len: usize) -> T {
    let [event, ack] = both(arguments, len).map(|args| args.read::<T>().unwrap());
    assert_eq!(event, ack);
    event
}

fn error<T: FromArgs + fmt::Debug>(arguments: &str, len: usize) -> String {
    let [event, ack] = both(arguments, len).map(|args| args.read::<T>().unwrap_err().to_string());
    assert_eq!(event, ack);
    event
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
struct Named {
    a: i32,
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
struct Pair(i32, String);

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
struct Unit;

/// Types such as `num::Complex` write themselves as a tuple.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(from = "(i32, i32)", into = "(i32, i32)")]
struct Point(i32, i32);

impl From<(i32, i32)> for Point {
    fn from((x, y): (i32, i32)) -> Point {
        Point(x, y)
    }
}

impl From<Point> for (i32, i32) {
    fn from(Point(x, y): Point) -> (i32, i32) {
        (x, y)
    }
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(transparent)]
struct Nothing(());

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
struct Coordinates([i32; 2]);

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
enum Move {
    Stop,
    To(i32, i32),
    By((i32, i32)),
}

#[test]
fn a_tuple_is_an_argument_each_and_anything_else_is_one() {
    assert_written((), "");
    assert_written((1, "two", [3]), r#"1,"two",[3]"#);
    assert_written(("[]",), r#""[]""#);
    assert_written("text", r#""text""#);
    assert_written(String::from("text"), r#""text""#);
    assert_written(vec![1, 2], "[1,2]");
    assert_written(Vec::<i32>::new(), "[]");
    assert_written([1, 2], "[1,2]");
    assert_written(&[1, 2], "[1,2]");
    assert_written(&[1, 2][..], "[1,2]");
    assert_written([0; 0], "[]");
    assert_written(([1, 2], 3), "[1,2],3");
    assert_written(&(1, "two"), r#"1,"two""#);
    assert_written(((1, 2),), "[1,2]");
    assert_written(Box::new((1, 2)), "[1,2]");
    assert_written([(1, 2)], "[[1,2]]");
    assert_written(&(), "");
    assert_written(Value::Null, "null");
    assert_written(Unit, "null");
    assert_written(Point(1, 2), "[1,2]");
    assert_written(Nothing(()), "null");
    assert_written(Coordinates([1, 2]), "[1,2]");
    assert_written(Move::Stop, r#""Stop""#);
    assert_written(Move::To(1, 2), r#"{"To":[1,2]}"#);
    assert_written(Move::By((1, 2)), r#"{"By":[1,2]}"#);
    assert_written(vec![1_u8, 2], "[1,2]");
    assert_written(b"ab", "[97,98]");
    assert_written(Named { a: 1 }, r#"{"a":1}"#);
    assert_written(Pair(1, "b".into()), r#"[1,"b"]"#);
    assert_written(None::<i32>, "null");
    assert_written(Some((1, 2)), "[1,2]");
    assert_written(json!({"x": [null]}), r#"{"x":[null]}"#);
    assert_written(((), 1), "null,1");
}

#[test]
fn a_result_is_the_value_inside_of_it() {
    assert_written(Ok::<_, ()>((1, 2)), "1,2");
    assert_written(Ok::<_, ()>([1, 2]), "[1,2]");
    assert_written(Ok::<_, Value>(Value::Null), "null");
    assert_written(Err::<(), _>(&(1, 2)), "1,2");
    assert_written(Err::<(), _>("no"), r#""no""#);
    assert_written(Ok::<(), ()>(()), "");
    assert_written((Ok::<_, ()>(1),), r#"{"Ok":1}"#);
}

#[test]
fn a_value_that_json_cannot_hold_is_an_error() {
    let map = std::collections::BTreeMap::from([(vec![1], 1)]);
    assert!(map.write(&mut ArgsWriter::new(&mut Vec::new(), false)).is_err());
}

#[test]
fn what_a_type_writes_it_reads() {
    assert_eq!(read::<(i32, String)>(r#"1,"two""#, 2), (1, "two".into()));
    assert_eq!(read::<[i32; 2]>("[1,2]", 1), [1, 2]);
    assert_eq!(read::<[i32; 2]>("[1,2],3", 2), [1, 2]);
    assert_eq!(read::<([i32; 2], i32)>("[1,2],3", 2), ([1, 2], 3));
    assert_eq!(read::<((i32, i32),)>("[1,2]", 1), ((1, 2),));
    assert_eq!(*read::<Box<(i32, i32)>>("[1,2]", 1), (1, 2));
    assert_eq!(read::<Option<(i32, i32)>>("[1,2]", 1), Some((1, 2)));
    assert_eq!(read::<Value>("null", 1), Value::Null);
    assert_eq!(read::<Unit>("null", 1), Unit);
    assert_eq!(read::<Point>("[1,2]", 1), Point(1, 2));
    assert_eq!(read::<Nothing>("null", 1), Nothing(()));
    assert_eq!(read::<Coordinates>("[1,2]", 1), Coordinates([1, 2]));
    for (json, value) in [
        (r#""Stop""#, Move::Stop),
        (r#"{"To":[1,2]}"#, Move::To(1, 2)),
        (r#"{"By":[1,2]}"#, Move::By((1, 2))),
    ] {
        assert_eq!(read::<Move>(json, 1), value);
    }
    assert_eq!(read::<Vec<u8>>("[1,2]", 1), [1, 2]);
    assert_eq!(read::<String>(r#""text""#, 1), "text");
    assert_eq!(read::<Vec<i32>>("[1,2]", 1), [1, 2]);
    assert_eq!(read::<Named>(r#"{"a":1}"#, 1), Named { a: 1 });
    assert_eq!(read::<Pair>(r#"[1,"b"]"#, 1), Pair(1, "b".into()));
    assert_eq!(read::<Option<i32>>("1", 1), Some(1));
    assert_eq!(read::<Value>(r#"{"x":1}"#, 1), json!({"x": 1}));
    read::<()>("", 0);
}

#[test]
fn arguments_in_excess_are_ignored_and_missing_ones_are_null() {
    assert_eq!(read::<(i32,)>("1,2,[3]", 3), (1,));
    assert_eq!(read::<i32>("1,2,[3]", 3), 1);
    read::<()>("1,2", 2);
    assert_eq!(read::<(i32, Option<i32>)>("1", 1), (1, None));
    assert_eq!(read::<Option<i32>>("", 0), None);
    assert_eq!(read::<Value>("", 0), Value::Null);
    assert_eq!(read::<(Option<i32>, Option<i32>)>("", 0), (None, None));
}

// proves: features/wish/contracts
#[test]
fn an_argument_that_does_not_fit_is_named_by_its_index() {
    assert_eq!(error::<(i32, i64)>(r#"1,"b""#, 2), r#"argument 1: invalid type: string "b", expected i64"#);
    assert_eq!(error::<Named>("1", 1), "argument 0: invalid type: integer `1`, expected struct Named");
    assert_eq!(
        error::<[i32; 2]>("1,2", 2),
        "argument 0: invalid type: integer `1`, expected an array of length 2"
    );
    assert_eq!(error::<[i32; 2]>("", 0), "argument 0: invalid type: null, expected an array of length 2");
    assert_eq!(error::<[i32; 2]>("[1]", 1), "argument 0: invalid length 1, expected an array of length 2");
    assert_eq!(error::<Unit>("1", 1), "argument 0: invalid type: integer `1`, expected unit struct Unit");
    assert_eq!(error::<String>("", 0), "argument 0: invalid type: null, expected a string");
    assert_eq!(error::<(i32, String)>("1", 1), "argument 1: invalid type: null, expected a string");
}

#[test]
fn arguments_are_sent_on_as_they_came() {
    for arguments in ["", r#"1, "\u00e9" ,{"b": 1e400}"#, r#"{"_placeholder":true,"num":0}"#] {
        for args in both(arguments, usize::from(!arguments.is_empty())) {
            assert_eq!(args.json(), arguments);
            assert_written(&args, arguments);
        }
    }
    assert_written(Args::none(), "");
    let spaced = Args::from_array(r#" [ "e" , 1 ] "#.into(), 1, 9, 1);
    assert_eq!(spaced.json().trim(), "1");
}

#[test]
fn binary_arguments_keep_their_attachments() {
    let mut json = Vec::new();
    let mut out = ArgsWriter::new(&mut json, false);
    (Binary::from(&b"a"[..]), json!(1), vec![Binary::from(&b"b"[..])]).write(&mut out).unwrap();
    let attachments = out.into_attachments();
    assert_eq!(attachments, ["a", "b"]);

    let mut args = Args::from_array(String::from_utf8(json).unwrap().into(), 0, 1, 3);
    args.attach(attachments);
    let (a, one, b): (Binary, i32, Vec<Binary>) = args.read().unwrap();
    assert_eq!((&a[..], one, &b[0][..]), (&b"a"[..], 1, &b"b"[..]));

    let mut again = Vec::new();
    let mut out = ArgsWriter::new(&mut again, false);
    (&args).write(&mut out).unwrap();
    assert_eq!(out.into_attachments(), ["a", "b"]);
    assert_eq!(again, *args.array.as_bytes());
}

#[test]
fn the_first_argument_can_be_split_off() {
    for (json, first, rest) in [
        (r#"["e","room"]"#, "room", "[]"),
        (r#"["e","room",1,[2]]"#, "room", "[1,[2]]"),
        (r#"["e", "a,b" , {"x":1} ]"#, "a,b", r#"[ {"x":1}]"#),
    ] {
        let start = json.find(',').unwrap() + 1;
        let len = serde_json::from_str::<Vec<Value>>(json).unwrap().len() - 1;
        let args = Args::from_array(json.into(), 1, start, len);
        let (room, others) = args.split_first::<String>().unwrap();
        let mut sent = Vec::new();
        (&others).write(&mut ArgsWriter::new(&mut sent, false)).unwrap();
        assert_eq!((room.as_str(), std::str::from_utf8(&sent).unwrap()), (first, rest));
        let (second, _): (serde_json::Value, serde_json::Value) = others.read().unwrap();
        assert_eq!((others.len(), second.is_null()), (len - 1, len == 1));
    }
    let (missing, others) = Args::none().split_first::<Option<u8>>().unwrap();
    assert!(missing.is_none() && others.is_empty());
}

fn raw(json: &str, attachments: &[&'static str]) -> Args {
    let attachments = attachments.iter().map(|bytes| (*bytes).into()).collect();
    Args::from_raw(crate::RawJson::new(json, attachments).unwrap()).unwrap()
}

fn binary(text: &'static str) -> Binary {
    Binary(text.into())
}

// proves: features/binary
#[test]
fn the_end_of_a_tuple_takes_the_rest_of_the_arguments() {
    for args in both(r#" 1 , [2,","] ,{"a":3} "#, 3) {
        let (first, Rest(rest)): (u8, Rest) = args.read().unwrap();
        assert_eq!((first, rest.len(), rest.json()), (1, 2, r#" [2,","] ,{"a":3}"#));
        assert_eq!(rest.read::<((u8, String), Named)>().unwrap(), ((2, ",".into()), Named { a: 3 }));
        let (second, Rest(last)) = rest.read::<(Value, Rest)>().unwrap();
        assert_eq!((second, last.read::<Named>().unwrap()), (json!([2, ","]), Named { a: 3 }));
        let (_, _, _, Rest(none)): (u8, Value, Named, Rest) = args.read().unwrap();
        assert!(none.is_empty());
        let (_, _, _, missing, Rest(none)): (u8, Value, Named, Option<u8>, Rest) = args.read().unwrap();
        assert_eq!((missing, none.len()), (None, 0));
        assert_eq!(args.read::<(Rest,)>().unwrap().0.0.json(), args.json());
        // What follows is read all the same.
        assert_eq!(args.read::<(Rest, Value)>().unwrap().1, json!([2, ","]));
        let error = args.read::<(u8, u8, Rest)>().unwrap_err().to_string();
        assert!(error.starts_with("argument 1: invalid type"), "{error}");
    }
    let came = raw(r#"["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#, &["zero", "one"]);
    let (_, Rest(rest)): (String, Rest) = came.read().unwrap();
    assert_eq!(rest.read::<(Binary, Binary)>().unwrap(), (binary("one"), binary("zero")));
}

#[test]
fn a_rest_in_a_tuple_or_a_result_is_written_as_the_arguments_that_it_is() {
    let args = Rest(Args::new((1, "two")).unwrap());
    assert_written(args.clone(), r#"1,"two""#);
    assert_written((0, &args), r#"0,1,"two""#);
    assert_written(&(&args, 3), r#"1,"two",3"#);
    assert_written((Rest::default(), Rest::default()), "");
    assert_written((1, Rest::default()), "1");
    assert_written(Ok::<_, ()>(&args), r#"1,"two""#);
    assert_written(Ok::<_, ()>(Rest::default()), "");
    assert_written(Err::<(), _>((true, &args)), r#"true,1,"two""#);
    // Anywhere else they are an array.
    assert_written(Some(&args), r#"[1,"two"]"#);
    assert_written([&args], r#"[[1,"two"]]"#);
    assert_written(((&args,),), r#"[[1,"two"]]"#);
    assert_eq!(read::<Vec<Value>>(r#"[[1,"two"]]"#, 1), [json!([1, "two"])]);
    for came in both(r#"[[1,"two"],[]]"#, 1) {
        let [full, none] = &came.read::<Vec<Rest>>().unwrap()[..] else { panic!("two") };
        assert_eq!((full.0.json(), full.0.len(), none.0.len()), (r#"1,"two""#, 2, 0));
    }
}

// proves: features/binary
#[test]
fn bytes_of_a_rest_are_numbered_anew_after_others() {
    let placeholder = |num| format!(r#"{{"_placeholder":true,"num":{num}}}"#);
    let [p0, p1, p2] = [0, 1, 2].map(placeholder);
    let args = Rest(raw(&format!("[{p1},[{p0}]]"), &["zero", "one"]));
    let sent = Args::new((binary("first"), &args)).unwrap();
    assert_eq!(sent.json(), format!("{p0},{p1},[{p2}]"));
    assert_eq!(sent.attachments(), ["first", "one", "zero"]);
    let sent = Args::new(Ok::<_, ()>(&args)).unwrap();
    assert_eq!(
        (sent.json(), sent.attachments()),
        (&*format!("{p0},[{p1}]"), &["one".into(), "zero".into()][..])
    );
    let (_, [Rest(nested)]): (Binary, [Rest; 1]) = Args::new((binary("x"), [&args])).unwrap().read().unwrap();
    assert_eq!(nested.read::<(Binary, [Binary; 1])>().unwrap(), (binary("one"), [binary("zero")]));
}
