//! The buffers of a connection, for ureq.

use std::cell::Cell;

use ureq::unversioned::transport::Buffers;

/// The input buffer, with the received bytes that are not yet consumed, and the output buffer.
#[derive(Debug, Default)]
pub(super) struct IoBuffers {
    input: Box<[u8]>,
    /// The range of the unconsumed bytes in `input`.
    start: usize,
    end: usize,
    output: Box<[u8]>,
    /// Whether ureq consumed any of the bytes that it was given last; if not, it needs more.
    has_progressed: bool,
}

thread_local! {
    /// The buffers that the last exchange on this thread released.
    static SPARE: Cell<Option<IoBuffers>> = const { Cell::new(None) };
}

impl IoBuffers {
    /// Creates buffers of these sizes in bytes.
    pub(super) fn new(input: usize, output: usize) -> Self {
        // The system zeroes only the pages that are used.
        let room = |bytes| vec![0; bytes].into_boxed_slice();
        Self { input: room(input), start: 0, end: 0, output: room(output), has_progressed: false }
    }

    /// Takes the buffers that this thread has kept, if they have these sizes; otherwise creates new ones.
    pub(super) fn borrow(input: usize, output: usize) -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        let fits = |spare: &Self| (spare.input.len(), spare.output.len()) == (input, output);
        match spare.filter(fits) {
            Some(spare) => Self { start: 0, end: 0, has_progressed: false, ..spare },
            None => Self::new(input, output),
        }
    }

    /// Keeps these buffers for the next exchange on this thread.
    pub(super) fn release(self) {
        // The thread may be ending, with its thread-local values already dropped.
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }

    /// The bytes to send.
    pub(super) fn sent(&self, amount: usize) -> &[u8] {
        self.output.get(..amount).unwrap_or_default()
    }
}

impl Buffers for IoBuffers {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        self.input.get(self.start..self.end).unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end > self.input.len() / 2 {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.input.get_mut(self.end..).unwrap_or_default()
    }

    fn input_appended(&mut self, amount: usize) {
        self.end = (self.end + amount).min(self.input.len());
    }

    fn input_consume(&mut self, amount: usize) {
        self.has_progressed = amount > 0;
        self.start = (self.start + amount).min(self.end);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        (self.input.get_mut(self.end..).unwrap_or_default(), &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.start < self.end && self.has_progressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(buffers: &mut IoBuffers, bytes: &[u8]) {
        buffers.input_append_buf()[..bytes.len()].copy_from_slice(bytes);
        buffers.input_appended(bytes.len());
    }

    #[test]
    fn keeps_what_was_not_consumed() {
        let mut buffers = IoBuffers::new(8, 4);
        append(&mut buffers, b"abcdef");
        assert!(!buffers.can_use_input(), "it has not been read yet");
        buffers.input_consume(4);
        assert_eq!((buffers.input(), buffers.can_use_input()), (&b"ef"[..], true));
        assert_eq!(buffers.input_append_buf().len(), 6, "there is room again");
        append(&mut buffers, b"gh");
        assert_eq!(buffers.input(), b"efgh");
        buffers.input_consume(0);
        assert!(!buffers.can_use_input(), "more is needed");
        buffers.input_consume(4);
        assert_eq!((buffers.input_append_buf().len(), buffers.output().len()), (8, 4));
    }

    #[test]
    fn are_used_again_by_the_same_thread() {
        let mut buffers = IoBuffers::borrow(8, 4);
        append(&mut buffers, b"left");
        let at = buffers.input.as_ptr();
        buffers.release();
        let again = IoBuffers::borrow(8, 4);
        assert_eq!((again.input.as_ptr(), again.input()), (at, &b""[..]));
        again.release();
        assert_eq!(IoBuffers::borrow(16, 4).input.len(), 16);
    }
}
