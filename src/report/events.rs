//! TensorBoard event files.
//!
//! A file is a sequence of TFRecords: length (u64), masked CRC-32C of the length, data, masked CRC-32C of the data, all
//! little-endian. The data is a protobuf `Event` (tensorflow/core/util/event.proto), of which we write a few fields.

use anyhow::{Context, Result, anyhow};
use crc32c::crc32c;
use prost::Message;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The prefix by which TensorBoard finds event files.
const PREFIX: &str = "events.out.tfevents";
const FILE_VERSION: &str = "brain.Event:2";
/// `SessionLog.START`: TensorBoard discards events of this and later steps from earlier files.
const SESSION_START: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(uint64, tag = "2")]
    step: u64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Scalar>,
}

/// `Summary.Value`.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    /// Optional, because protobuf omits a plain field that is zero.
    #[prost(float, optional, tag = "2")]
    value: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// A file of scalars. Each start of a run creates one; TensorBoard reads all files of a folder as one.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl EventFile {
    /// Creates a new file in a folder, beside the files of earlier starts.
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
                    events.event(0, What::FileVersion(FILE_VERSION.to_owned()))?;
                    events.flush()?;
                    return Ok(events);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot create {}", path.display())),
            }
        }
        Err(anyhow!(
            "cannot create a TensorBoard file in {}: the folder has too many of them",
            folder.display()
        ))
    }

    /// Marks a resumed run: events of `step` and later steps in earlier files are void.
    pub fn resumed(&mut self, step: u64) -> Result<()> {
        self.event(step, What::SessionLog(SessionLog { status: SESSION_START }))
    }

    /// Writes one value of a curve, e.g. `train/loss`.
    pub fn scalar(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        let scalar = Scalar {
            tag: tag.to_owned(),
            value: Some(value as f32),
        };
        self.event(step, What::Summary(Summary { values: vec![scalar] }))
    }

    /// Makes all events visible to readers.
    pub fn flush(&mut self) -> Result<()> {
        self.writer
            .flush()
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn event(&mut self, step: u64, what: What) -> Result<()> {
        let event = Event {
            wall_time: wall_time(),
            step,
            what: Some(what),
        };
        record(&mut self.writer, &event.encode_to_vec())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    // A clock before 1970 is set wrong, but that must not stop a run.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

fn record(writer: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    writer.write_all(&length)?;
    writer.write_all(&masked(crc32c(&length)).to_le_bytes())?;
    writer.write_all(data)?;
    writer.write_all(&masked(crc32c(data)).to_le_bytes())
}

/// TFRecord's mask for checksums, because a plain CRC is unreliable for data that contains CRCs.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_scalar_is_the_bytes_that_tensorflow_writes() {
        let event = Event {
            wall_time: 1.0,
            step: 300,
            what: Some(What::Summary(Summary {
                values: vec![Scalar {
                    tag: "a".into(),
                    value: Some(0.0),
                }],
            })),
        };
        let mut bytes = vec![0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02, 0x2a, 10, 0x0a, 8];
        bytes.extend([0x0a, 1, b'a', 0x15, 0, 0, 0, 0]);
        assert_eq!(event.encode_to_vec(), bytes);
        // The check value of CRC-32C.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked(0), 0xa282_ead8);
    }

    fn take<const N: usize>(data: &mut &[u8]) -> [u8; N] {
        let (head, rest) = data.split_first_chunk().unwrap();
        *data = rest;
        *head
    }

    fn events(path: &Path) -> Vec<Event> {
        let content = fs::read(path).unwrap();
        let mut data = &content[..];
        let mut events = Vec::new();
        while !data.is_empty() {
            let length: [u8; 8] = take(&mut data);
            assert_eq!(u32::from_le_bytes(take(&mut data)), masked(crc32c(&length)));
            let event;
            (event, data) = data.split_at(u64::from_le_bytes(length) as usize);
            assert_eq!(u32::from_le_bytes(take(&mut data)), masked(crc32c(event)));
            events.push(Event::decode(event).unwrap());
        }
        events
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    #[test]
    fn events_read_back_and_a_second_start_keeps_the_first_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = EventFile::create(folder.path()).unwrap();
        first.resumed(6).unwrap();
        first.scalar(1 << 40, "validation/größe", 0.25).unwrap();
        drop(first);
        EventFile::create(folder.path()).unwrap();

        let files = files(folder.path());
        assert_eq!(files.len(), 2);
        assert_eq!(events(&files[1]).len(), 1);
        let events = events(&files[0]);
        assert!(events.iter().all(|event| (event.wall_time - wall_time()).abs() < 60.0));
        let read: Vec<_> = events
            .into_iter()
            .map(|event| (event.step, event.what.unwrap()))
            .collect();
        let scalar = Scalar {
            tag: "validation/größe".into(),
            value: Some(0.25),
        };
        let written = [
            (0, What::FileVersion(FILE_VERSION.into())),
            (6, What::SessionLog(SessionLog { status: SESSION_START })),
            (1 << 40, What::Summary(Summary { values: vec![scalar] })),
        ];
        assert_eq!(read, written);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let text = format!("{:#}", EventFile::create(&missing).unwrap_err());
        assert!(text.contains("cannot create") && text.contains("missing"), "{text}");
    }
}
