//! The program; all of it is in the library, where fuzz targets reach its parsers.

fn main() -> std::process::ExitCode {
    lastbit::main()
}
