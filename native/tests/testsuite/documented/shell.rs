//! The commands of a line of shell: its words, and those of them that call lastbit or xtask.

/// A command that a document shows. Words after the program's name.
#[derive(Debug, PartialEq)]
pub enum Shown {
    Lastbit(Vec<String>),
    Xtask(Vec<String>),
}

/// Programs and words of the shell that begin a command which comes after them.
const LAUNCHERS: [&str; 21] = [
    "if", "then", "else", "do", "while", "until", "!", "{", "$", "sbatch", "srun", "exec", "nohup", "time", "timeout",
    "env", "xargs", "parallel", "sh", "bash", "nice",
];

/// The commands of a line that call lastbit or xtask.
pub fn commands(line: &str) -> Vec<Shown> {
    // A list of YAML: `args: ["lastbit", "reproduce"]`.
    let list = line.split_once(": [").and_then(|(_, list)| list.trim().strip_suffix(']'));
    let line = list.map_or_else(|| line.to_owned(), |list| list.replace(", ", " "));
    simple_commands(&line).iter().flat_map(|words| shown(words)).collect()
}

/// Whether this stands for something that the reader puts in: `NAME`, `<name>`, `$NAME`, `{}`.
pub fn is_placeholder(word: &str) -> bool {
    let is_upper = word.contains(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is_upper || word.contains('$') || word.contains("{}") || word.starts_with('<') && word.ends_with('>')
}

fn shown(words: &[String]) -> Vec<Shown> {
    let is_setting =
        |word: &str| word.split_once('=').is_some_and(|(name, _)| !name.starts_with('-') && is_placeholder(name));
    let mut rest = words;
    let mut is_launched = false;
    while let Some((first, after)) = rest.split_first() {
        let name = first.rsplit(['/', '\\']).next().unwrap_or(first);
        if (name == "lastbit" || name == "lastbit.exe") && !is_setting(first) {
            let is_called = !after.is_empty();
            return is_called.then(|| Shown::Lastbit(after.to_vec())).into_iter().collect();
        }
        match (first.as_str(), after.first().map(String::as_str)) {
            ("cargo", Some("xtask")) => return vec![Shown::Xtask(after[1..].to_vec())],
            ("cargo", Some("run")) => {
                let arguments = after.iter().position(|word| word == "--").map(|at| after[at + 1..].to_vec());
                return arguments.map(Shown::Lastbit).into_iter().collect();
            }
            // A whole command line in quotes.
            _ if is_launched && first.contains(' ') => return commands(first.trim_start_matches("--wrap=")),
            _ if LAUNCHERS.contains(&first.as_str()) => is_launched = true,
            _ if is_setting(first) => {}
            // Flags of a launcher with their values.
            _ if is_launched => {}
            _ => return Vec::new(),
        }
        rest = after;
    }
    Vec::new()
}

/// Words of each command between `|`, `&&`, `;` and the like, without comments and redirections.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    // A word, and whether it had quotes (then it may be empty).
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            // `<name>` is a placeholder, `<` alone a redirection.
            (None, '<')
                if word.is_none() && characters.clone().take_while(|c| !c.is_whitespace()).any(|c| c == '>') =>
            {
                let name: String = characters.by_ref().take_while(|c| *c != '>').collect();
                word = Some(format!("<{name}>"));
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '&' | ';' | '(' | ')' | '<' | '>') if !matches!(&word, Some(word) if word.ends_with('$')) => {
                let is_redirection = c == '<' || c == '>';
                // `2>` names a stream.
                let stream = word.take().filter(|word| !(is_redirection && word.chars().all(|c| c.is_ascii_digit())));
                commands.last_mut().expect("never empty").extend(stream);
                if is_redirection {
                    while characters.next_if(|c| "<>& ".contains(*c)).is_some() {}
                    while characters.next_if(|c| !c.is_whitespace() && !"|;&)".contains(*c)).is_some() {}
                } else {
                    commands.push(Vec::new());
                }
            }
            (None, c) if c.is_whitespace() => commands.last_mut().expect("never empty").extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().expect("never empty").extend(word);
    commands.retain(|words| !words.is_empty());
    commands
}

/// Usage as a command that has all of it: `[--quick]` becomes `--quick`; `[FLAG...]` and `...` go; `RESULTS...` is one `RESULTS`.
pub fn without_brackets(words: &[String]) -> Vec<String> {
    let kept = words.iter().filter(|word| !(word.starts_with('[') && word.ends_with("...]")));
    let kept = kept.map(|word| word.trim_start_matches('[').trim_end_matches(']').trim_end_matches("..."));
    kept.filter(|word| !word.is_empty() && *word != "…").map(str::to_owned).collect()
}
