//! TensorBoard event files, written by hand: a few numbers need no protobuf library.
//!
//! A file is a sequence of TFRecords: length (u64), masked CRC-32C of the length, data, masked CRC-32C of the data, all
//! little-endian. The data is a protobuf `Event` (tensorflow/core/util/event.proto) of which four fields are used.

use anyhow::{Context, Result, anyhow};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What TensorBoard looks for in a folder.
const PREFIX: &str = "events.out.tfevents";
const FILE_VERSION: &str = "brain.Event:2";
/// `SessionLog.START`: TensorBoard forgets what earlier files say of this step and later ones.
const SESSION_START: u64 = 1;

/// Field numbers of the messages `Event`, `Summary`, `Summary.Value` and `SessionLog`.
mod field {
    pub const WALL_TIME: u64 = 1;
    pub const STEP: u64 = 2;
    pub const FILE_VERSION: u64 = 3;
    pub const SUMMARY: u64 = 5;
    pub const SESSION_LOG: u64 = 7;
    pub const SUMMARY_VALUE: u64 = 1;
    pub const VALUE_TAG: u64 = 1;
    pub const VALUE_SIMPLE: u64 = 2;
    pub const SESSION_STATUS: u64 = 1;
}

/// A file of scalars, new at every start of a run; TensorBoard reads all files of a folder as one.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl EventFile {
    /// A new file in a folder; the files that are there stay.
    pub fn create(folder: &Path) -> Result<Self> {
        let seconds = wall_time() as u64;
        let process = std::process::id();
        for attempt in 0..1000 {
            // TensorBoard reads files in the order of their names.
            let path = folder.join(format!("{PREFIX}.{seconds:010}.laformer.{process}.{attempt}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let mut events = Self {
                        path,
                        writer: BufWriter::new(file),
                    };
                    events.event(0, |event| event.bytes(field::FILE_VERSION, FILE_VERSION.as_bytes()))?;
                    events.flush()?;
                    return Ok(events);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot create {}", path.display())),
            }
        }
        Err(anyhow!(
            "cannot create a TensorBoard file in {}: too many are there already",
            folder.display()
        ))
    }

    /// Says that a run goes on from `step`: what earlier files say of this step and later ones is void.
    pub fn resumed(&mut self, step: u64) -> Result<()> {
        let mut log = Message::default();
        log.varint(field::SESSION_STATUS, SESSION_START);
        self.event(step, |event| event.bytes(field::SESSION_LOG, &log.0))
    }

    /// A number of a curve, e.g. `train/loss`.
    pub fn scalar(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        let mut entry = Message::default();
        entry.bytes(field::VALUE_TAG, tag.as_bytes());
        entry.float(field::VALUE_SIMPLE, value as f32);
        let mut summary = Message::default();
        summary.bytes(field::SUMMARY_VALUE, &entry.0);
        self.event(step, |event| event.bytes(field::SUMMARY, &summary.0))
    }

    /// Lets readers see what was written.
    pub fn flush(&mut self) -> Result<()> {
        self.writer
            .flush()
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn event(&mut self, step: u64, fill: impl FnOnce(&mut Message)) -> Result<()> {
        let mut event = Message::default();
        event.double(field::WALL_TIME, wall_time());
        event.varint(field::STEP, step);
        fill(&mut event);
        record(&mut self.writer, &event.0).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    // A clock before 1970 is set wrong, and no reason to stop a run.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// A protobuf message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, 2);
        self.raw_varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn key(&mut self, field: u64, wire: u64) {
        self.raw_varint(field << 3 | wire);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

fn record(writer: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    writer.write_all(&length)?;
    writer.write_all(&masked(crc32c(&length)).to_le_bytes())?;
    writer.write_all(data)?;
    writer.write_all(&masked(crc32c(data)).to_le_bytes())
}

/// TFRecord's mask, for checksums of data that holds checksums.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), RFC 3720 appendix B.4.
fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !data
        .iter()
        .fold(!0, |crc, &byte| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

const fn table() -> [u32; 256] {
    /// The polynomial 0x1EDC6F41, bits reversed.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;

    #[test]
    fn crc32c_of_known_data() {
        // RFC 3720 B.4 and the usual check value.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&ascending), 0x46dd_794e);
        assert_eq!(crc32c(b""), 0);
        assert_eq!(masked(0), 0xa282_ead8);
    }

    #[test]
    fn a_scalar_is_the_bytes_that_tensorflow_writes() {
        let mut message = Message::default();
        message.bytes(field::VALUE_TAG, b"a");
        message.float(field::VALUE_SIMPLE, 1.0);
        assert_eq!(message.0, [0x0a, 1, b'a', 0x15, 0, 0, 0x80, 0x3f]);
        let mut message = Message::default();
        message.varint(field::STEP, 300);
        assert_eq!(message.0, [0x10, 0xac, 0x02]);
    }

    #[derive(Clone, Debug, PartialEq)]
    enum Value {
        Varint(u64),
        Fixed64([u8; 8]),
        Bytes(Vec<u8>),
        Fixed32([u8; 4]),
    }

    fn varint(data: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = data.split_first().unwrap();
            *data = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    fn take<const N: usize>(data: &mut &[u8]) -> [u8; N] {
        let (head, rest) = data.split_at(N);
        *data = rest;
        head.try_into().unwrap()
    }

    fn message(mut data: &[u8]) -> BTreeMap<u64, Value> {
        let mut fields = BTreeMap::new();
        while !data.is_empty() {
            let key = varint(&mut data);
            let value = match key & 7 {
                0 => Value::Varint(varint(&mut data)),
                1 => Value::Fixed64(take(&mut data)),
                2 => {
                    let length = varint(&mut data) as usize;
                    let (bytes, rest) = data.split_at(length);
                    data = rest;
                    Value::Bytes(bytes.to_vec())
                }
                5 => Value::Fixed32(take(&mut data)),
                wire => panic!("wire type {wire}"),
            };
            fields.insert(key >> 3, value);
        }
        fields
    }

    fn bytes(value: &Value) -> &[u8] {
        let Value::Bytes(bytes) = value else {
            panic!("{value:?} is no message")
        };
        bytes
    }

    fn events(path: &Path) -> Vec<BTreeMap<u64, Value>> {
        let content = fs::read(path).unwrap();
        let mut data = &content[..];
        let mut events = Vec::new();
        while !data.is_empty() {
            let length: [u8; 8] = take(&mut data);
            assert_eq!(u32::from_le_bytes(take(&mut data)), masked(crc32c(&length)));
            let (event, rest) = data.split_at(u64::from_le_bytes(length) as usize);
            data = rest;
            assert_eq!(u32::from_le_bytes(take(&mut data)), masked(crc32c(event)));
            events.push(message(event));
        }
        events
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    #[test]
    fn scalars_come_back_with_step_and_tag() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(folder.path()).unwrap();
        file.resumed(6).unwrap();
        file.scalar(7, "train/loss", 0.25).unwrap();
        file.scalar(1 << 40, "validation/größe", f64::NAN).unwrap();
        file.flush().unwrap();

        let events = events(&files(folder.path())[0]);
        assert_eq!(events.len(), 4);
        assert_eq!(events[0][&field::FILE_VERSION], Value::Bytes(FILE_VERSION.into()));
        let Value::Fixed64(time) = events[0][&field::WALL_TIME] else {
            panic!("the wall time is a double")
        };
        assert!((f64::from_le_bytes(time) - wall_time()).abs() < 60.0);

        assert_eq!(events[1][&field::STEP], Value::Varint(6));
        assert_eq!(
            message(bytes(&events[1][&field::SESSION_LOG]))[&field::SESSION_STATUS],
            Value::Varint(SESSION_START)
        );

        let scalar = |event: &BTreeMap<u64, Value>| {
            let summary = message(bytes(&event[&field::SUMMARY]));
            let value = message(bytes(&summary[&field::SUMMARY_VALUE]));
            let Value::Fixed32(simple) = value[&field::VALUE_SIMPLE] else {
                panic!("the value is a float")
            };
            let tag = String::from_utf8(bytes(&value[&field::VALUE_TAG]).to_vec()).unwrap();
            (event[&field::STEP].clone(), tag, f32::from_le_bytes(simple))
        };
        assert_eq!(scalar(&events[2]), (Value::Varint(7), "train/loss".into(), 0.25));
        let (step, tag, value) = scalar(&events[3]);
        assert!(step == Value::Varint(1 << 40) && tag == "validation/größe" && value.is_nan());
    }

    #[test]
    fn a_second_start_leaves_the_first_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = EventFile::create(folder.path()).unwrap();
        first.scalar(1, "x", 1.0).unwrap();
        drop(first);
        EventFile::create(folder.path()).unwrap();
        let files = files(folder.path());
        assert_eq!(files.len(), 2);
        assert_eq!(files.iter().map(|file| events(file).len()).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let text = format!("{:#}", EventFile::create(&missing).unwrap_err());
        assert!(text.contains("cannot create") && text.contains("missing"), "{text}");
    }
}
