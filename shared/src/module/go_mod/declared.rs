//! The module line, found without parsing the file (go-modules §3.6).

use super::unquote::unquote;

/// The path that a go.mod declares, in whatever state the rest of the file is. `None`
/// if there is no module line, or it has a malformed string. The path may be invalid;
/// bytes that are no UTF-8 are replaced.
pub fn declared_module_path(content: &[u8]) -> Option<String> {
    content.split(|&byte| byte == b'\n').find_map(module_line).and_then(|rest| {
        let is_quoted = rest.starts_with(['"', '`']);
        if is_quoted { unquote(&rest) } else { Some(rest) }
    })
}

/// What follows `module` and white space, if the line starts so.
fn module_line(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let (line, _comment) = line.split_once("//").unwrap_or((&line, ""));
    let rest = line.trim().strip_prefix("module")?;
    let path = rest.trim_start();
    (path.len() < rest.len() && !path.is_empty()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_module_line_counts() {
        for (content, expected) in [
            ("module example.com/m\n", Some("example.com/m")),
            ("module example.com/m", Some("example.com/m")),
            ("// c\r\n\tmodule\t example.com/m // d\r\nmodule other", Some("example.com/m")),
            ("modules x\nmodule\nmodulex\nmodule // x\nmodule y", Some("y")),
            ("module \"a\\x2fb\"", Some("a/b")),
            ("module `a\\b`", Some("a\\b")),
            ("module (\n\tx\n)", Some("(")),
            ("module\u{a0}x", Some("x")),
            ("garbage ( `\nmodule a b c", Some("a b c")),
            ("module \"a\"b\nmodule c", None),
            ("module \"a//b\"", None),
            ("module `a\nb`", None),
            ("module 'a'", Some("'a'")),
            ("", None),
            ("go 1.24", None),
        ] {
            assert_eq!(declared_module_path(content.as_bytes()).as_deref(), expected, "{content}");
        }
        assert_eq!(declared_module_path(b"module a\xffb/v2").unwrap(), "a\u{fffd}b/v2");
    }
}
