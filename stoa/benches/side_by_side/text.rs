//! Text that compresses like source code and is the same in every run.

/// Long enough that no two files look alike, short enough that deflate finds repeats.
const VOCABULARY: u64 = 2048;
const WORDS_A_LINE: u64 = 9;

#[derive(Debug)]
pub(crate) struct Text {
    state: u64,
    vocabulary: Vec<String>,
}

impl Text {
    pub(crate) fn new(seed: u64) -> Self {
        let mut text = Self { state: seed, vocabulary: Vec::new() };
        for _ in 0..VOCABULARY {
            let length = 2 + text.below(10);
            let word = (0..length).map(|_| char::from(b'a' + text.below(26) as u8)).collect();
            text.vocabulary.push(word);
        }
        text
    }

    /// At least `length` bytes, ending with a line.
    pub(crate) fn lines(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 128);
        while bytes.len() < length {
            bytes.extend_from_slice(b"//");
            for _ in 0..WORDS_A_LINE {
                let word = self.below(VOCABULARY) as usize;
                bytes.push(b' ');
                bytes.extend_from_slice(self.vocabulary[word].as_bytes());
            }
            bytes.push(b'\n');
        }
        bytes
    }

    /// The next number below `bound`, from the upper bits of a linear congruence.
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 33) % bound
    }
}
