use super::*;

/// What a page yields: `prefix vcs url[ subdir]` per tag, or why it is broken.
fn read(page: &[u8]) -> Result<Vec<String>, &'static str> {
    let tags = parse(page).map_err(|error| error.problem)?;
    let line = |tag: MetaImport| {
        format!("{} {} {} {}", tag.prefix, tag.vcs, tag.url, tag.subdir).trim_end().to_owned()
    };
    Ok(tags.into_iter().map(line).collect())
}

const TAG: &str = r#"<meta name="go-import" content="p git u">"#;

#[test]
fn pages_with_one_tag() {
    let table: &[(&str, &str)] = &[
        ("plain", "{}"),
        ("a whole page", "<!DOCTYPE html>\n<html><head>{}</head><body>x</body></html>"),
        ("no head element", "<html><title>x</title>{}"),
        ("inside noscript", "<head><noscript>{}</noscript></head>"),
        ("inside another element", "<div><p>{}</p></div>"),
        ("after unclosed elements", "<link><br><p><img>{}"),
        ("after stray end tags", "</p></div>{}"),
        ("after comments", "<!-- <meta name='go-import' content='a git b'> <b --><!-->-->{}"),
        ("after a comment of dashes", "<!---->{}"),
        ("after a byte order mark", "\u{feff}{}"),
        ("after an XML declaration", "<?xml version='1.0' encoding='UTF-8'?>{}"),
        ("after a declaration of ASCII", "<?xml version=\"1.0\" encoding=\"Ascii\"?>{}"),
        ("after a declaration without values", "<?xml ?>{}"),
        ("an unquoted encoding is none", "<?xml encoding=latin1?>{}"),
        ("only the first encoding with a quote", "<?xml encoding=x encoding='utf-8' ?>{}"),
        ("other instructions are skipped", "<?php encoding='latin1' > <b ?>{}"),
        ("after nested directives", "<!DOCTYPE a [<!ENTITY b '>'> <!-- > ' --> ]>{}"),
        ("the first byte of a directive means nothing", "<!>>{}"),
        ("after character data", "<![CDATA[ <meta> & ]] > \u{fffd} ]]>{}"),
        ("after unknown entities", "&nbsp;&;& &copy &#xg; &#99999999999999999999;{}"),
        ("a surrogate is replaced", "&#xD800;{}"),
        ("after a script without <", "<script>if (a > b && c) { x = \"y\" }</script>{}"),
        ("after a script with tags", "<script>document.write('<b>x</b>')</script>{}"),
        ("case of names", "<HTML><HEAD>{}</HEAD>"),
        ("names in other scripts", "<é><x ü='1' 名前>{}"),
        ("colons at the ends of names", "<:a b:=c><d:>{}"),
        ("attributes without values", "<script async defer src=x ></script>{}"),
        ("empty unquoted value", "<a href= >{}"),
        ("attributes without space between", "<a b='c'd=\"e\"f>{}"),
        ("]]> within quotes", "<a b=']]>'>{}"),
        ("]]> after an entity", "]]&gt;]&gt;>{}"),
        ("CR and LF", "\r\n\r{}\r\n"),
        ("NUL is skipped in comments", "<!-- \0 \u{1} -->{}"),
        ("body as an attribute", "<a body head>{}"),
        ("elements that start like body", "<bodyx><headx></headx>{}"),
        ("a start of head is no end", "<head><head>{}"),
        ("an end of body is no start", "</body>{}"),
    ];
    for (name, page) in table {
        let page = page.replace("{}", TAG);
        assert_eq!(read(page.as_bytes()), Ok(vec!["p git u".to_owned()]), "{name}");
    }
}

#[test]
fn forms_of_the_tag() {
    #[rustfmt::skip]
    let table: &[(&str, &str, Option<&str>)] = &[
        ("self-closing", "<meta name='go-import' content='p git u'/>", Some("p git u")),
        ("case of names", "<META Name='go-import' CONTENT='p git u'>", Some("p git u")),
        ("case of the value", "<meta name='Go-Import' content='p git u'>", None),
        ("unquoted name", "<meta name=go-import content='p git u'>", Some("p git u")),
        ("unquoted content", "<meta name=go-import content=p-git:u_1>", None),
        ("namespaces", "<x:meta y:name='go-import' z:content='p git u'>", Some("p git u")),
        ("attribute order", "<meta content='p git u' id=1 name='go-import'>", Some("p git u")),
        ("first name counts", "<meta name='x' name='go-import' content='p git u'>", None),
        ("first name counts, in any namespace", "<meta a:name='x' name='go-import' content='p git u'>", None),
        ("first content counts", "<meta name='go-import' content='' content='p git u'>", None),
        ("property", "<meta property='go-import' content='p git u'>", None),
        ("name without value", "<meta name content='p git u'>", None),
        ("space in the name", "<meta name=' go-import' content='p git u'>", None),
        ("no content", "<meta name='go-import'>", None),
        ("entities", "<meta name='go&#45;import' content='p&#x20;git&#32;u?a&amp;b&lt;&gt;&apos;&quot;&x;'>", Some("p git u?a&b<>'\"&x;")),
        ("white space", "<meta name='go-import' content='\t p\r\n git\u{a0}\u{2003}u\u{85} '>", Some("p git u")),
        ("two fields", "<meta name='go-import' content='p git'>", None),
        ("four fields", "<meta name='go-import' content='p git u s/d'>", Some("p git u s/d")),
        ("five fields", "<meta name='go-import' content='p git u s d'>", None),
        ("new line within a tag", "<meta\nname\n=\n'go-import'\r\ncontent = 'p git u'\n>", Some("p git u")),
        ("other quotes inside", "<meta name=\"go-import\" content=\"p git u'\">", Some("p git u'")),
        ("another element", "<link name='go-import' content='p git u'>", None),
        ("go-source", "<meta name='go-source' content='p git u'>", None),
        ("in a comment", "<!-- <meta name='go-import' content='p git u'> -->", None),
        ("in character data", "<![CDATA[<meta name='go-import' content='p git u'>]]>", None),
        ("in a directive", "<!x <meta name='go-import' content='p git u'> >", None),
        ("after head", "<head></head><meta name='go-import' content='p git u'>", None),
        ("after an empty head", "<head/><meta name='go-import' content='p git u'>", None),
        ("after a prefixed head", "</x:Head><meta name='go-import' content='p git u'>", None),
        ("in body", "<body><meta name='go-import' content='p git u'>", None),
        ("after an empty body", "<BODY/><meta name='go-import' content='p git u'>", None),
        ("empty page", "", None),
        ("no markup", "not found\n", None),
    ];
    for (name, page, expected) in table {
        let expected: Vec<_> = expected.iter().map(|tag| (*tag).to_owned()).collect();
        assert_eq!(read(page.as_bytes()), Ok(expected), "{name}");
    }
}

#[test]
fn several_tags_keep_their_order() {
    let page = "<meta name='go-import' content='a git b'><meta name='go-import' content='c'>\
        <meta name='go-import' content='a mod d'></head><meta name='go-import' content='e git f'>";
    assert_eq!(read(page.as_bytes()), Ok(vec!["a git b".to_owned(), "a mod d".to_owned()]));
}

/// Each of these pages is broken.
const BROKEN: &[(&[u8], &str)] = &[
    (b"<", "unexpected end of page"),
    (b"<a", "unexpected end of page"),
    (b"<a ", "unexpected end of page"),
    (b"<a b", "unexpected end of page"),
    (b"<a b=", "unexpected end of page"),
    (b"<a b=c", "unexpected end of page"),
    (b"<a b='", "unexpected end of page"),
    (b"<a/", "unexpected end of page"),
    (b"</a", "unexpected end of page"),
    (b"<!", "unexpected end of page"),
    (b"<!--", "unexpected end of page"),
    (b"<!-- -", "unexpected end of page"),
    (b"<!-- --", "unexpected end of page"),
    (b"<!DOCTYPE 'a>", "unexpected end of page"),
    (b"<!DOCTYPE <a>", "unexpected end of page"),
    (b"<!a <!-- >", "unexpected end of page"),
    (b"<![CDATA[ ]]", "unexpected end of page"),
    (b"<?a", "unexpected end of page"),
    (b"<?a?", "unexpected end of page"),
    (b"&", "unexpected end of page"),
    (b"&amp", "unexpected end of page"),
    (b"&#1", "unexpected end of page"),
    (b"<script>if (a < b) {}</script>", "expected a name"),
    (b"<script>for (i=0;i<3;i++) {}</script>", "expected a name"),
    (b"<script>if (a<b) {}</script>", "expected a name"),
    (b"<>", "expected a name"),
    (b"< a>", "expected a name"),
    (b"<-a>", "expected a name"),
    (b"</>", "expected a name"),
    (b"<? xml ?>", "expected a name"),
    (b"<a 'b'>", "expected a name"),
    (b"<a b=/c>", "expected /> in element"),
    (b"<a b=c.d=e>", "expected a name"),
    (b"<a / >", "expected /> in element"),
    (b"<a:b:c>", "two colons in a name"),
    (b"<a b:c:d=1>", "two colons in a name"),
    (b"</a b>", "invalid characters in end tag"),
    (b"<a b='<'>", "< inside a quoted value"),
    (b"]]>", "]]> outside character data"),
    (b"<!-- -- -->", "-- within a comment"),
    (b"<!--a--->", "-- within a comment"),
    (b"<!-a>", "<!- does not start a comment"),
    (b"<![endif]>", "<![ does not start character data"),
    (b"<![cdata[a]]>", "<![ does not start character data"),
    (b"<?xml version='1.1'?>", "unsupported XML version"),
    (b"<?xml encoding='iso-8859-1'?>", "character set is not UTF-8"),
    (b"<?xml version='1.0' encoding=\"utf-16\" ?>", "character set is not UTF-8"),
    (b"caf\xe9", "invalid UTF-8"),
    (b"<a b='\xff'>", "invalid UTF-8"),
    (b"<![CDATA[\xff]]>", "invalid UTF-8"),
    (b"<a\xff>", "invalid UTF-8 in a name"),
    (b"a\0b", "illegal character"),
    (b"&#0;", "illegal character"),
    (b"<a b='&#x1;'>", "illegal character"),
    (b"\xef\xbf\xbe", "illegal character"),
];

#[test]
fn broken_markup_is_fatal_before_the_first_tag_and_harmless_after_it() {
    for (broken, problem) in BROKEN {
        let name = String::from_utf8_lossy(broken);
        assert_eq!(read(broken), Err(*problem), "{name}");
        if *problem != "unexpected end of page" {
            let before = [broken, TAG.as_bytes()].concat();
            assert_eq!(read(&before), Err(*problem), "{name}");
        }
        let after = [TAG.as_bytes(), broken, TAG.as_bytes()].concat();
        let tags = read(&after).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert_eq!(tags[0], "p git u", "{name}");
    }
}

#[test]
fn bytes_after_the_head_do_not_matter() {
    let page = [TAG.as_bytes(), b"</head>\xff\0<<<"].concat();
    assert_eq!(read(&page), Ok(vec!["p git u".to_owned()]));
    assert_eq!(read(b"<body>\xff\0<<<"), Ok(vec![]));
}

#[test]
fn errors_name_the_line() {
    let error = parse(b"<html>\n<script>\nif (a < b) {}").unwrap_err();
    assert_eq!(error.to_string(), "line 3: expected a name");
}
