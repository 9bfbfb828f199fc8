//! The `lastbit` program. Its code is in the library, so that fuzz targets reach the parsers.

fn main() -> std::process::ExitCode {
    lastbit::main()
}
