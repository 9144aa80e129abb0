// Panics to crash with, one for each word: panic WORD. The two shapes of the message differ by the
// compiler's release (1.73).
struct Header {
    sizes: Vec<usize>,
}

trait Decode {
    fn decode(&self, at: usize) -> usize;
}

impl Decode for Header {
    #[inline(never)]
    fn decode(&self, at: usize) -> usize {
        self.sizes[at]
    }
}

#[inline(never)]
fn parse(word: &str) -> usize {
    let header = Header { sizes: vec![1, 2, 3] };
    match word {
        "index" => header.decode(word.len() + 7),
        "unwrap" => word.parse::<usize>().unwrap(),
        "assert" => {
            assert!(word.len() > 100, "word of {} bytes is too short", word.len());
            1
        }
        "overflow" => recurse(1),
        "memory" => Vec::<u8>::with_capacity(word.len() << 56).len(),
        "option" => header.sizes.iter().find(|n| **n > 7).copied().expect("no such size"),
        _ => 0,
    }
}

#[inline(never)]
fn recurse(n: usize) -> usize {
    let sizes = [n; 64];
    recurse(n + 1) + sizes[n % 64]
}

fn main() {
    let word = std::env::args().nth(1).unwrap_or_default();
    println!("{}", parse(&word));
}
