//! The faults that a client may have: each is one mutant of the model, and fails the cases that are named beside it.

use serde_json::Value;

macro_rules! faults {
    ($($name:ident $($case:literal)*;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $($name),* }

        /// Each fault, with cases that find it.
        pub(crate) const FAULTS: &[(Fault, &[&str])] = &[$((Fault::$name, &[$($case),*])),*];
    };
}

faults! {
    WrongRevision "1.1.1";
    WrongTransport "1.1.2";
    OpensWithPost "1.1.3";
    WrongPath "1.1.4";
    IgnoresPath "1.1.5";
    DropsQuery "1.1.6" "1.1.7";
    HostWithoutPort "1.1.10";
    ForgetsSid "1.2.1";
    UnknownFieldsAreErrors "1.2.4";
    UnknownUpgradesAreErrors "1.2.5";
    NeedsMaxPayload "1.2.6";
    OpenPacketByHand "1.2.7";
    IgnoresMaxPayload "1.3.1" "1.3.2" "1.3.3";
    NoConnect "1.4.1" "8.1.1";
    EmitsEarly "1.4.2";
    NoAuth "1.4.3" "8.1.4";
    NullAuth "1.4.4";
    ConnectedTooEarly "1.4.5" "8.3.6";
    ImpatientConnect "1.4.6";
    LosesEarlyEvents "1.4.8";
    OpenPacketAlone "1.4.9";
    SilentRefusals "1.5.1" "1.5.2" "1.5.3" "1.5.4" "1.5.5" "1.5.6" "1.5.7" "1.5.8" "1.5.9";
    SilentFailures "1.5.10" "1.6.1" "1.6.2" "1.6.3";
    ReconnectsAlways "1.5.11" "7.1.9";
    WaitsForEver "1.6.4";
    AlwaysUpgrades "1.6.7";
    FirstPacketOnly "2.1.1" "2.1.13";
    SixteenPackets "2.1.2";
    NoopIsAnError "2.1.3" "4.4.4";
    NoopEndsPayload "2.1.4";
    RawControls "2.1.5";
    CutsPosts "2.1.6" "2.4.8";
    AsciiPayloads "2.1.7" "2.1.8";
    BinaryIsText "2.1.9" "2.1.10" "2.1.11" "2.1.12";
    FirstSegment "2.2.1" "2.2.2";
    NoChunks "2.2.3";
    FirstChunk "2.2.4";
    KeepAliveOnly "2.2.5";
    FieldsInOneCase "2.2.6";
    PollsOverlap "2.3.1";
    PollsOnce "2.3.2";
    ImpatientPolls "2.3.3";
    PollsWithoutRevision "2.3.4" "2.4.7";
    PostsOverlap "2.4.1";
    ReversesBatches "2.4.2";
    SendsTwice "2.4.2";
    ForgetsToFlush "2.4.2";
    NoPollWhilePosting "2.4.3";
    ImpatientPosts "2.4.4";
    WantsOk "2.4.5";
    PostsBytes "2.4.6";
    PostsToNobody "2.4.8";
    NoPongsByWebSocket "3.1.1" "4.4.2";
    NoPongsByPolling "3.1.2";
    PongsAfterJoining "3.1.3";
    DropsWhatWaits "3.1.5" "2.4.2";
    NoPongs "3.1.6" "3.1.4" "3.1.7";
    PingsItself "3.1.8";
    PongsUnasked "3.1.9";
    NoPings "3.2.1" "3.2.2";
    PingsTooOften "3.2.1" "3.2.2";
    IgnoresPongs "3.2.3";
    NeverGivesUp "3.3.1" "3.3.2";
    IgnoresTimes "3.3.1" "3.3.2";
    GivesUpEarly "3.3.3";
    IgnoresPings "3.3.4";
    TimesAreSeconds "3.3.5";
    PlainProbe "4.1.1";
    ProbesWithoutSid "4.1.2";
    StaysWithPolling "4.1.3";
    UpgradesUnasked "4.1.4";
    HurriesToUpgrade "4.1.5";
    PollsAfterUpgrade "4.1.6";
    UpgradesFirst;
    UpgradesTwice "4.1.7";
    ProbesTwice "4.1.7";
    UpgradesUnoffered "4.1.8";
    NeverUpgrades "4.2.1";
    StopsPollingWhileProbing "4.2.2" "4.3.5" "4.3.6";
    LosesLastPoll "4.2.3" "4.2.4";
    LosesFirstFrame "4.2.5";
    Base64OnWebSocket "4.2.6" "5.4.4";
    ProbeIsVital "4.3.1" "4.3.2" "4.3.3" "4.3.4";
    AnyAnswerUpgrades "4.3.7" "4.3.8";
    ProbesAgain "4.3.11";
    NoPongsWhileProbing "4.4.1";
    NoFragments "5.1.1" "5.1.3";
    Utf8PerFrame "5.1.2";
    NoInterleaving "5.1.4";
    WholeSegments "5.1.5";
    OneFrameASegment "5.1.6";
    LengthOffByOne "5.2.1";
    SevenBitLengths "5.2.2" "5.2.3" "5.2.6";
    ShortLengths "5.2.4" "5.2.5";
    NoPongFrames "5.3.1";
    EmptyPongFrames "5.3.1";
    PongIsAnError "5.3.2";
    IgnoresClose "5.3.3";
    CloseNeedsCode "5.3.4" "5.3.5";
    IgnoresEnd "5.3.6" "5.3.7";
    OldWebSocket "5.4.1";
    ShortKey "5.4.1";
    Unmasked "5.4.3";
    SeparatesFrames "5.4.5";
    ProbesAlways "5.4.6";
    SplitsBinary "5.4.7" "10.1.9";
    IgnoresClosePackets "6.1.1";
    SilentDisconnects "6.1.3" "6.1.4" "6.1.7" "14.1.4";
    DisconnectIsAnError "6.1.3" "6.1.4";
    ComesBackAlways "6.1.5" "6.3.3";
    HearsAfterDisconnect "6.1.6";
    CloseIsFinal "6.1.8" "7.1.1" "7.1.2";
    SilentPolls "6.2.1" "6.2.2" "6.2.3" "6.2.4" "6.2.5" "6.2.6" "6.2.7" "6.2.10";
    SilentPosts "6.2.8" "6.2.9";
    LeavesWithoutWord "6.3.1" "6.3.2" "14.1.5";
    LeavesAtOnce "6.3.4";
    ErrorIsFinal "7.1.3";
    TimeoutIsFinal "7.1.4";
    TriesOnce "7.1.5" "7.1.6";
    HandlersTwice "7.1.7" "9.4.2";
    ReconnectsOnce "7.1.8";
    NeverFirst "7.1.10";
    AttemptsAreNeverReset "7.2.5";
    BufferIsLost "7.3.1";
    AuthOnce "7.3.3";
    KeepsOldSid "7.3.4";
    RejoinsOne "7.3.5";
    SilentEnds "7.3.8";
    JoinsMainToo "8.1.2";
    EmitsInMain "8.1.3" "8.1.8";
    OneNamespace "8.1.5" "8.2.2";
    AcksInMain "8.1.6";
    SilentConnects "8.1.7";
    SessionPerNamespace "8.2.1";
    LeavesMain "8.2.3";
    DisconnectEndsAll "8.2.4";
    TellsOneNamespace "8.2.6";
    NoMessage "8.3.1";
    SilentNamespaceRefusals "8.3.1" "8.3.3" "14.1.3";
    EmitsToRefusers "8.3.4";
    RefusalEndsAll "8.3.5";
    UnknownNamespacesAreErrors "8.3.8";
    OneSlash "8.4.1";
    AsciiNamespaces "8.4.2" "8.4.3";
    EmptyArgument "9.1.1" "9.5.1";
    NoNull "9.1.2";
    NoBooleans "9.1.3";
    NoZero "9.1.4";
    NoNegatives "9.1.5";
    NoFractions "9.1.6";
    ShortIntegers "9.1.7" "9.1.8" "9.1.11";
    NoLargeNumbers "9.1.9";
    NoSmallNumbers "9.1.10";
    FloatsOf32Bits "9.1.12";
    NoEmptyStrings "9.1.13";
    NoQuotes "9.1.14";
    NoControls "9.1.15";
    AsciiOnly "9.1.16" "9.1.17" "9.1.18";
    NoEmptyArrays "9.1.19";
    FlatArrays "9.1.20" "9.2.4";
    FlatObjects "9.1.21";
    NoEmptyKeys "9.1.22";
    PlainKeys "9.1.23";
    FewArguments "9.1.24" "9.5.2" "14.2.1";
    NoArrays "9.1.25" "14.2.2";
    NoBrackets "9.1.26";
    NoLongStrings "9.2.1" "14.2.5";
    NoLongArrays "9.2.2";
    NoLargeObjects "9.2.3";
    CompactJsonOnly "9.3.1" "9.3.2" "9.3.3" "9.3.4";
    SwapsEvents "9.4.1" "9.5.7";
    UnknownEventsAreErrors "9.4.3";
    AsciiNames "9.4.4" "9.5.3";
    MessageIsReserved "9.4.6";
    NoEscapes "9.5.4";
    DropsNull "9.5.5";
    FlatEmits "9.5.6";
    BytesAreText "10.1.1" "10.1.4" "10.1.5" "10.2.1" "10.2.4" "10.2.5" "10.2.9" "10.2.13" "10.3.4" "10.3.6" "10.4.1" "10.4.2" "14.2.3" "14.2.4";
    OneAttachment "10.1.2" "10.1.3" "10.1.6" "10.2.2" "10.2.3" "10.2.6" "10.3.3";
    AttachmentsReversed "10.1.2" "10.2.2" "10.3.1";
    NoEmptyAttachments "10.1.7" "10.2.7";
    AttachmentsAreUtf8 "10.1.8" "10.1.12" "10.2.8" "10.2.12";
    GuessesText "10.1.10" "10.1.11" "10.2.10" "10.2.11";
    StripsFour "10.1.13";
    NoPingsAmongAttachments "10.3.5";
    NoAcks "11.1.1" "14.1.6";
    ZeroIsNoId "11.1.2";
    ShortAckIds "11.1.3";
    NoEmptyAcks "11.1.4";
    OneArgumentInAcks "11.1.5";
    AsciiAcks "11.1.6";
    FlatAcks "11.1.7" "11.1.8";
    OwnAckIds "11.1.10";
    AcksTwice "11.1.11";
    BinaryAcksAreText "11.1.12";
    AcksUnasked "11.1.14";
    AsksWithoutId "11.2.1" "14.1.7";
    OneAckId "11.2.2";
    AnswersInOrder "11.2.3";
    EmptyAnswersAreLost "11.2.4";
    AnswersAgain "11.2.5";
    UnknownAnswersAreErrors "11.2.6";
    BinaryAnswersAreLost "11.2.9";
    ImpatientAcks "11.2.10";
    BinaryQuestionsAreAnswers "11.2.12";
    NameIsAnArgument "9.1.1";
    NoPid "13.1.1" "13.1.4";
    JsonAnyway "14.1.1" "14.1.2";
    FieldsInOneOrder "14.2.6";
}

impl Fault {
    /// Whether a client with this fault can't carry a value as an argument.
    pub(crate) fn cannot_carry(self, value: &Value) -> bool {
        let number = value.as_f64();
        let text = value.as_str();
        let list = value.as_array();
        let fields = value.as_object();
        match self {
            Fault::NoNull => value.is_null(),
            Fault::NoBooleans => value.is_boolean(),
            Fault::NoZero => number == Some(0.0),
            Fault::NoNegatives => number.is_some_and(|number| number < 0.0),
            Fault::NoFractions => number.is_some_and(|number| number.fract() != 0.0),
            Fault::ShortIntegers => number.is_some_and(|number| number.abs() > 2_147_483_648.0),
            Fault::NoLargeNumbers => number.is_some_and(|number| number > 1e300),
            Fault::NoSmallNumbers => number.is_some_and(|number| number != 0.0 && number.abs() < 1e-300),
            Fault::FloatsOf32Bits => number.is_some_and(|number| f64::from(number as f32) != number),
            Fault::NoEmptyStrings => text == Some(""),
            Fault::NoQuotes => text.is_some_and(|text| text.contains('"')),
            Fault::NoControls => text.is_some_and(|text| text.contains('\0')),
            Fault::NoBrackets => text.is_some_and(|text| text.contains('[')),
            Fault::NoLongStrings => text.is_some_and(|text| text.len() > 65_535),
            Fault::NoEmptyArrays => list.is_some_and(Vec::is_empty),
            Fault::NoArrays => list.is_some(),
            Fault::FlatArrays => list.is_some_and(|list| list.iter().any(Value::is_array)),
            Fault::NoLongArrays => list.is_some_and(|list| list.len() > 255),
            Fault::FlatObjects => fields.is_some_and(|fields| fields.values().any(Value::is_object)),
            Fault::NoEmptyKeys => fields.is_some_and(|fields| fields.contains_key("")),
            Fault::PlainKeys => fields.is_some_and(|fields| fields.keys().any(|key| key.contains('.'))),
            Fault::NoLargeObjects => fields.is_some_and(|fields| fields.len() > 64),
            _ => false,
        }
    }
}
