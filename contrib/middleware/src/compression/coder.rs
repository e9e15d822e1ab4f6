//! The compressors, behind one face.
//!
//! Rules of this room: the crates flate2 and brotli compress; what they have made is taken out at once, so that nothing gathers here.

use std::io::Write;

use rwgi::Result;

use super::negotiate::Coding;
use crate::recode::Coder;

/// How hard is compressed: what leaves the server busy for less time than it saves on the wire.
#[cfg(feature = "brotli")]
const BROTLI_QUALITY: u32 = 4;

#[cfg(feature = "brotli")]
const BROTLI_WINDOW: u32 = 20;

#[cfg(feature = "brotli")]
const BROTLI_BUFFER: usize = 4096;

pub(super) enum Compressor {
    #[cfg(feature = "brotli")]
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    #[cfg(feature = "gzip")]
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    /// It was finished.
    Spent,
}

impl Compressor {
    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            #[cfg(feature = "brotli")]
            Coding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
            #[cfg(feature = "gzip")]
            Coding::Gzip => Self::Gzip(Box::new(flate2::write::GzEncoder::new(
                Vec::new(),
                flate2::Compression::default(),
            ))),
        }
    }

    fn take(&mut self, out: &mut Vec<u8>) {
        match self {
            #[cfg(feature = "brotli")]
            Self::Brotli(writer) => out.append(writer.get_mut()),
            #[cfg(feature = "gzip")]
            Self::Gzip(writer) => out.append(writer.get_mut()),
            Self::Spent => {}
        }
    }
}

impl Coder for Compressor {
    fn push(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self {
            #[cfg(feature = "brotli")]
            Self::Brotli(writer) => writer.write_all(data)?,
            #[cfg(feature = "gzip")]
            Self::Gzip(writer) => writer.write_all(data)?,
            Self::Spent => {}
        }
        self.take(out);
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self {
            #[cfg(feature = "brotli")]
            Self::Brotli(writer) => writer.flush()?,
            #[cfg(feature = "gzip")]
            Self::Gzip(writer) => writer.flush()?,
            Self::Spent => {}
        }
        self.take(out);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match std::mem::replace(self, Self::Spent) {
            #[cfg(feature = "brotli")]
            Self::Brotli(writer) => out.append(&mut writer.into_inner()),
            #[cfg(feature = "gzip")]
            Self::Gzip(writer) => out.append(&mut writer.finish()?),
            Self::Spent => {}
        }
        Ok(())
    }
}
