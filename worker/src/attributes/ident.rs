//! `$Id$` → `$Id: <blob id> $`.

use crate::vcs::ObjectId;

/// Expands every `$Id$`, also over an earlier expansion. What another system expanded
/// is left alone: between its dollars are several words.
pub(super) fn expand(content: Vec<u8>, id: &ObjectId) -> Vec<u8> {
    let mut expanded = Vec::new();
    let mut copied = 0;
    let mut position = 0;
    while let Some(dollar) = find(&content, position, b'$') {
        position = dollar + 1;
        let Some(end) = keyword_end(&content[position..]) else {
            continue;
        };
        position += end;
        expanded.extend_from_slice(&content[copied..=dollar]);
        expanded.extend_from_slice(format!("Id: {id} $").as_bytes());
        copied = position;
    }
    if copied == 0 {
        return content;
    }
    expanded.extend_from_slice(&content[copied..]);
    expanded
}

/// Bytes of `Id$` or `Id: … $` at the start of what follows a dollar.
fn keyword_end(rest: &[u8]) -> Option<usize> {
    let value = rest.strip_prefix(b"Id")?;
    if value.first() == Some(&b'$') {
        return Some(3);
    }
    let value = value.strip_prefix(b":")?;
    let end = find(value, 0, b'$')?;
    let value = &value[..end];
    let is_ours = !value.contains(&b'\n')
        // A blank may stand first and last, but not between words.
        && find(value, 1, b' ').is_none_or(|blank| blank + 1 == value.len());
    is_ours.then_some(3 + end + 1)
}

fn find(bytes: &[u8], start: usize, wanted: u8) -> Option<usize> {
    let rest = bytes.get(start..)?;
    Some(start + rest.iter().position(|&byte| byte == wanted)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_keywords_are_expanded_and_foreign_ones_left() {
        let id = ObjectId::Sha1([0xab; 20]);
        let own = format!("$Id: {id} $");
        for (content, expected) in [
            ("$Id$", own.clone()),
            ("a $Id$ b\n$Id$", format!("a {own} b\n{own}")),
            ("$Id: 0123 $", own.clone()),
            ("$Id:$", own.clone()),
            ("$Id: $", own.clone()),
            ("$Id:x$", own.clone()),
            ("$$Id$$", format!("${own}$")),
            ("$Id$Id$", format!("{own}Id$")),
            ("$Id: file.c 1.2 user $", "$Id: file.c 1.2 user $".into()),
            ("$Id: a\n$Id$", format!("$Id: a\n{own}")),
            ("$Id: a b $Id$", format!("$Id: a b {own}")),
            ("$Id: open", "$Id: open".into()),
            ("$id$ $Idx$ $Id", "$id$ $Idx$ $Id".into()),
            ("", "".into()),
        ] {
            let expanded = expand(content.into(), &id);
            assert_eq!(String::from_utf8(expanded).unwrap(), expected, "{content}");
        }
    }
}
