//! The log: silent by default, filtered by level, as text or as JSON lines.

use serde_json::Value;

use crate::common::{SMALL, assert_refused, lastbit, scratch, text};

#[test]
fn higher_levels_log_more() {
    let home = scratch("log");
    let lines = |name: &str, flags: &[&str]| {
        let out = home.join(name);
        let ended = lastbit(&[SMALL, &["--steps", "2", "--quiet", "--out", text(&out)], flags].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.err.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(lines("silent", &[]).is_empty());
    let info = lines("info", &["-v"]);
    assert!(info.iter().any(|line| line.contains("checkpoint written") && line.contains("step=2")), "{info:?}");
    assert!(info.iter().any(|line| line.contains("self-test")), "{info:?}");
    let debug = lines("debug", &["--log-level", "debug"]);
    assert!(debug.len() > info.len() && debug.iter().any(|line| line.contains("DEBUG")), "{debug:?}");
    let one = lines("target", &["--log-level", "lastbit::run::saver=info"]);
    assert!(!one.is_empty() && one.len() < info.len(), "{one:?}");
    let out = home.join("refused");
    let refused = [SMALL, &["--log-level", "loud=very", "--out", text(&out)]].concat();
    assert_refused(&lastbit(&refused), 2, &["--log-level", "'very'", "off, error, warn, info, debug, trace"]);
    for (levels, wrong) in
        [("verbose", "'verbose'"), ("info,lastbit", "'lastbit'"), ("=info", "'=info'"), ("3", "'3'"), ("", "''")]
    {
        let line = [SMALL, &["--log-level", levels, "--out", text(&out)]].concat();
        assert_refused(&lastbit(&line), 2, &["--log-level", wrong, "off, error, warn, info, debug, trace"]);
    }
}

#[test]
fn json_is_one_object_a_line() {
    let home = scratch("log-json");
    let out = home.join("run");
    let flags = ["--steps", "2", "--quiet", "-vv", "--log-format", "json", "--flip-bit", "conv1.weight:0:1:2"];
    let ended = lastbit(&[SMALL, &flags, &["--out", text(&out)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<Value> = ended.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let with = |level: &str| lines.iter().filter(|line| line["level"] == level).collect::<Vec<_>>();
    assert_eq!(with("DEBUG").iter().filter(|line| line["fields"]["message"] == "step").count(), 2, "{lines:?}");
    let warning = with("WARN");
    assert!(warning[0]["fields"]["message"].as_str().unwrap().contains("CONTROL IS RED"), "{warning:?}");
    // Errors are JSON, too.
    let ended = lastbit(&[SMALL, &["--log-format", "json", "--out", text(&out)]].concat());
    let line: Value = serde_json::from_str(ended.err.trim_end()).unwrap();
    assert!(ended.code == Some(2) && line["level"] == "ERROR", "{line}");
    assert!(line["fields"]["message"].as_str().unwrap().contains("--resume"), "{line}");
}
