// A position-dependent hash of a word, which the fingerprint sums. The constants are those of MurmurHash3's finaliser (Appleby).

fn avalanche(value: u32) -> u32 {
    var h = value;
    h = (h ^ (h >> 16u)) * 0x85ebca6bu;
    h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
    return h ^ (h >> 16u);
}

fn mix(bits: u32, index: u32, tensor: u32, salt: u32) -> u32 {
    return avalanche(bits ^ avalanche(index ^ avalanche(tensor ^ salt)));
}
