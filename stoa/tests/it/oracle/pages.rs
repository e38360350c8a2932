//! From a module path to its repository, by pages and by `.git`: scenarios 54 to 56.

use stoa_shared::testing::repository::RepositoryBuilder;

use super::scenario::{Question, Scenario, World, latest, list, module_line, path, query};
use crate::page_server::Page;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { number: 54, name: "meta-4-fields", story: four_fields },
    Scenario { number: 55, name: "meta-variants", story: variants },
    Scenario { number: 56, name: "dot-git-path", story: dot_git },
];

fn four_fields(world: &World) -> Vec<Question> {
    let root = "vanity.example/four";
    let inner = format!("{root}/inner");
    let second_major = format!("{root}/v2");
    let content = format!("{root} git https://{} sub/dir", path("four-fields"));
    for module in [root, &inner, &second_major] {
        world.pages.serve(module, Page::import(&[&content]));
    }
    let mut repository = RepositoryBuilder::new();
    let first = repository
        .file("LICENSE", "terms\n")
        .file("sub/dir/go.mod", module_line(root))
        .file("sub/dir/inner/go.mod", module_line("wrong.example/inner"))
        .file("inner/sub/dir/go.mod", module_line(&inner))
        .commit("main");
    repository.tag("sub/dir/v1.0.0", first).tag("inner/sub/dir/v1.1.0", first);
    let second = repository.file("sub/dir/go.mod", module_line(&second_major)).commit("main");
    repository.tag("sub/dir/v2.0.0", second).tag("sub/dir/inner/v1.2.0", second);
    world.build("four-fields", &repository);
    vec![
        query(root, "v1.0.0").gives("v1.0.0").files(&["go.mod", "LICENSE"]),
        // The module's part comes before the page's: §3.1.
        query(&inner, "v1.1.0").gives("v1.1.0").module_file(module_line(&inner)),
        query(&inner, "v1.2.0").refused(),
        query(&second_major, "v2.0.0").gives("v2.0.0"),
        list(&inner).lists(&["v1.1.0"]),
    ]
}

/// One page, and whether the go command finds the repository through it.
struct Variant {
    name: &'static str,
    served: bool,
    page: fn(&str) -> Page,
}

/// The tag that leads from `module` to the fixture repository.
fn tag(module: &str) -> String {
    format!("<meta name=\"go-import\" content=\"{}\">", content(module))
}

fn content(module: &str) -> String {
    format!("{module} git https://{}", path("meta-variants"))
}

const VARIANTS: &[Variant] = &[
    Variant { name: "plain", served: true, page: |m| Page::import(&[&content(m)]) },
    Variant { name: "status-404", served: true, page: |m| Page::Body(404, tag(m).into_bytes()) },
    Variant { name: "status-500", served: true, page: |m| Page::Body(500, tag(m).into_bytes()) },
    Variant { name: "no-tag", served: false, page: |_| Page::html("<html>nothing here</html>") },
    Variant {
        name: "two-tags",
        served: false,
        page: |m| Page::import(&[&content(m), &content(m)]),
    },
    Variant {
        name: "two-prefixes",
        served: true,
        page: |m| Page::import(&[&content(m), "vanity.example/unrelated git https://h.example/u"]),
    },
    Variant {
        name: "comment",
        served: true,
        page: |m| Page::html(&format!("<!-- {0} --><head>{0}</head>", tag(m))),
    },
    Variant { name: "no-head", served: true, page: |m| Page::html(&tag(m)) },
    Variant {
        name: "noscript",
        served: true,
        page: |m| Page::html(&format!("<html><head><noscript>{}</noscript></head>", tag(m))),
    },
    Variant {
        name: "in-body",
        served: false,
        page: |m| Page::html(&format!("<html><head></head><body>{}</body></html>", tag(m))),
    },
    Variant {
        name: "body-first",
        served: false,
        page: |m| Page::html(&format!("<body>{}</body>", tag(m))),
    },
    Variant {
        name: "upper-case",
        served: true,
        page: |m| {
            Page::html(&tag(m).replace("meta name", "META NAME").replace(" content", " Content"))
        },
    },
    Variant {
        name: "upper-case-value",
        served: false,
        page: |m| Page::html(&tag(m).replace("go-import", "Go-Import")),
    },
    Variant {
        name: "unquoted-name",
        served: true,
        page: |m| Page::html(&tag(m).replace("\"go-import\"", "go-import")),
    },
    Variant {
        name: "single-quotes",
        served: true,
        page: |m| Page::html(&tag(m).replace('"', "'")),
    },
    Variant {
        name: "entities",
        served: true,
        page: |m| Page::html(&tag(m).replace(".example/", "&#46;example&#x2f;")),
    },
    Variant {
        name: "white-space",
        served: true,
        page: |m| Page::html(&tag(m).replace(" git ", "\n\t git   ")),
    },
    Variant {
        name: "property",
        served: false,
        page: |m| Page::html(&tag(m).replace("name=", "property=")),
    },
    Variant {
        name: "script-before",
        served: true,
        page: |m| Page::html(&format!("<head><script>let a = 1;</script>{}", tag(m))),
    },
    Variant {
        name: "script-with-comparison-before",
        served: false,
        page: |m| Page::html(&format!("<head><script>if (a < 1) {{}}</script>{}", tag(m))),
    },
    Variant {
        name: "script-with-comparison-after",
        served: true,
        page: |m| Page::html(&format!("<head>{}<script>if (a < 1) {{}}</script>", tag(m))),
    },
    Variant {
        name: "invalid-text-before",
        served: false,
        page: |m| Page::Body(200, [b"<p>\xff</p>", tag(m).as_bytes()].concat()),
    },
    Variant {
        name: "invalid-text-after",
        served: true,
        page: |m| Page::Body(200, [tag(m).as_bytes(), b"<p>\xff</p>"].concat()),
    },
    Variant {
        name: "xml-utf-8",
        served: true,
        page: |m| Page::html(&format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{}", tag(m))),
    },
    Variant {
        name: "xml-latin-1",
        served: false,
        page: |m| Page::html(&format!("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>{}", tag(m))),
    },
    Variant {
        name: "five-fields",
        served: false,
        page: |m| Page::import(&[&format!("{} sub more", content(m))]),
    },
    Variant { name: "two-fields", served: false, page: |m| Page::import(&[&format!("{m} git")]) },
    Variant {
        name: "trailing-slash",
        served: false,
        page: |m| Page::import(&[&content(m).replace(" git", "/ git")]),
    },
    Variant {
        name: "subversion",
        served: false,
        page: |m| Page::import(&[&content(m).replace(" git ", " svn ")]),
    },
    Variant {
        name: "no-scheme",
        served: false,
        page: |m| Page::import(&[&content(m).replace("https://", "")]),
    },
    Variant {
        name: "file-scheme",
        served: false,
        page: |m| Page::import(&[&content(m).replace("https://", "file:///")]),
    },
    Variant {
        name: "subdirectory-with-slash",
        served: false,
        page: |m| Page::import(&[&format!("{} /sub", content(m))]),
    },
    Variant {
        name: "subdirectory-with-dash",
        served: false,
        page: |m| Page::import(&[&format!("{} -sub", content(m))]),
    },
    Variant {
        name: "redirect",
        served: true,
        page: |m| Page::Redirect(format!("vanity.example/landing/{m}")),
    },
];

fn variants(world: &World) -> Vec<Question> {
    let mut repository = RepositoryBuilder::new();
    let commit = repository.file("a.go", "package a\n").file("LICENSE", "terms\n").commit("main");
    repository.tag("v1.0.0", commit);
    world.build("meta-variants", &repository);
    let mut questions = Vec::new();
    for variant in VARIANTS {
        let module = format!("vanity.example/{}", variant.name);
        world.pages.serve(&module, (variant.page)(&module));
        let landing = format!("vanity.example/landing/{module}");
        world.pages.serve(&landing, Page::import(&[&content(&module)]));
        let question = query(&module, "v1.0.0");
        questions.push(if variant.served { question.gives("v1.0.0") } else { question.refused() });
    }
    // A page that names its parent must agree with the parent's own page.
    let parent = "vanity.example/parent";
    let nested = path("meta-nested");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("agreed/go.mod", module_line(&format!("{parent}/agreed")))
        .file("disagreed/go.mod", module_line(&format!("{parent}/disagreed")))
        .commit("main");
    repository.tag("agreed/v1.0.0", commit).tag("disagreed/v1.0.0", commit);
    world.build("meta-nested", &repository);
    let (agreed, disagreed) = (format!("{parent}/agreed"), format!("{parent}/disagreed"));
    let to_nested = format!("{parent} git https://{nested}");
    world.pages.serve(parent, Page::import(&[&to_nested]));
    world.pages.serve(&agreed, Page::import(&[&to_nested]));
    world.pages.serve(&disagreed, Page::import(&[&format!("{to_nested}-other")]));
    questions.push(query(&agreed, "v1.0.0").gives("v1.0.0"));
    questions.push(query(&disagreed, "v1.0.0").refused());
    questions.push(query("vanity.example/without-page", "v1.0.0").refused());
    // Where another host's page was asked for is not rewritten again: only a real network
    // has such hosts.
    let moved = "vanity.example/moved";
    world.pages.serve(moved, Page::RedirectTo("http://other.example/moved".to_owned()));
    world.pages.serve("other.example/moved", Page::import(&[&content(moved)]));
    questions.push(query(moved, "v1.0.0").gives("v1.0.0").direct_only());
    // Deliberate, §7.4: a page cannot make us fetch over an open connection.
    let open = "vanity.example/open";
    world.pages.serve(open, Page::import(&[&content(open).replace("https:", "http:")]));
    questions.push(query(open, "v1.0.0").gives("v1.0.0").stoa_refuses());
    // A repository that is not above the module cannot contain it.
    let elsewhere = "vanity.example/elsewhere";
    world.pages.serve(elsewhere, Page::import(&[&content("vanity.example/else")]));
    questions.push(query(elsewhere, "v1.0.0").refused());
    questions
}

fn dot_git(world: &World) -> Vec<Question> {
    let root = "h.example/dot-git.git";
    let module = format!("{root}/x");
    let mut repository = RepositoryBuilder::new();
    let commit = repository
        .file("go.mod", module_line(root))
        .file("x/go.mod", module_line(&module))
        .file("x/a.go", "package x\n")
        .commit("main");
    repository.tag("x/v0.1.0", commit).tag("v0.2.0", commit);
    repository.build(&world.fixtures.join("h.example/dot-git")).unwrap();
    vec![
        query(&module, "v0.1.0").gives("v0.1.0").files(&["a.go", "go.mod"]),
        query(root, "v0.2.0").gives("v0.2.0").files(&["go.mod"]),
        latest(&module).gives("v0.1.0"),
        query("h.example/absent.git", "v0.1.0").refused(),
    ]
}
