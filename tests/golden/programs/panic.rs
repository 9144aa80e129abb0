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
        _ => 0,
    }
}

fn main() {
    let word = std::env::args().nth(1).unwrap_or_default();
    println!("{}", parse(&word));
}
