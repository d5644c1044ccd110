//! Text within the contract's bounds.

/// The beginning of a text, in so many bytes at most. It never ends inside a character.
pub fn clip(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
