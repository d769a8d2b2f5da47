# Writes a web site: a page for each header with all it declares, one for each guide, an index, and
# what the search looks through.
package Html;
use strict;
use warnings FATAL => 'all';
use File::Copy qw(copy);

sub new {
    my ($class, $pages, $assets) = @_;
    my $self = bless { pages => $pages, assets => $assets, at => {}, found => [] }, $class;
    for my $header (@{ $pages->{headers} }) {
        my $file = $header->{name} eq 'errand' ? 'index.html' : "$header->{name}.html";
        $header->{html} = $file;
        $self->{at}{"$header->{page}($header->{section})"} = $file;
        for my $group (grep { $_->{doc} } @{ $header->{items} }) {
            for my $d (grep { !Pages::is_door($_) } @{ $group->{declarations} }) {
                my @names = Pages::names_of($d);
                $self->{at}{$_} ||= "$file#$_" for @names;
                push @{ $self->{found} }, map { [$_, "$file#$_", $group->{doc}{summary}] } @names;
            }
        }
    }
    for my $guide (@{ $pages->{guides} }) {
        $guide->{html} = join('.', $guide->{name}, $guide->{section} // ()) . '.html';
        $self->{at}{"$guide->{name}($guide->{section})"} = $guide->{html} if $guide->{section};
        my %times;
        for my $head (grep { $_->{kind} eq 'head' } @{ $guide->{blocks} }) {
            my $id = id_of($head->{text});
            $head->{id} = $times{$id}++ ? "$id-$times{$id}" : $id;
        }
    }
    return $self;
}

sub write_all {
    my ($self, $dir) = @_;
    my $pages = $self->{pages};
    -d $dir or mkdir $dir or die "$dir: $!\n";
    for my $header (@{ $pages->{headers} }) {
        my $title = $header->{name} eq 'errand' ? 'errand' : "errand/$header->{name}.h";
        $self->page($dir, $header->{html}, $title, $header->{title}, $self->header_body($header),
            $self->contents($header));
    }
    for my $guide (@{ $pages->{guides} }) {
        my @heads = map { [$_->{id}, $_->{text} =~ tr/`*//dr] }
            grep { $_->{kind} eq 'head' } @{ $guide->{blocks} };
        $self->page(
            $dir, $guide->{html}, title_of($guide), $guide->{title},
            $self->blocks($guide->{blocks}),
            join '', map { "<li><a href=\"#$_->[0]\">" . escaped($_->[1]) . "</a></li>\n" } @heads
        );
        push @{ $self->{found} },
            map { [$_->[1], "$guide->{html}#$_->[0]", $guide->{title}] } @heads;
    }
    my @rows = map {
        '[' . join(', ', map { quoted($_) } @$_) . ']'
    } sort { $a->[0] cmp $b->[0] } @{ $self->{found} };
    main::spew("$dir/index.js", "const names = [\n" . join(",\n", @rows) . "\n];\n");
    copy("$self->{assets}/$_", "$dir/$_") or die "$_: $!\n" for qw(site.css search.js);
}

sub title_of { return $_[0]{section} ? "$_[0]{name}($_[0]{section})" : $_[0]{title} }
sub subtitle_of { return $_[0]{section} ? $_[0]{title} : '' }

sub escaped {
    my ($text) = @_;
    my %as = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;');
    return $text =~ s/([&<>"])/$as{$1}/gr;
}

sub quoted { # for JavaScript
    my ($text) = @_;
    return '"' . ($text =~ s/(["\\])/\\$1/gr =~ s/`//gr) . '"';
}

sub id_of { return lc($_[0]) =~ s/\W+/-/gr =~ s/^-|-$//gr }

# ---- text ----

sub anchor {
    my ($self, $to, $html) = @_;
    return defined $to ? "<a href=\"$to\">$html</a>" : $html;
}

# Code; the public names and the headers in it lead to where they are described.
sub code {
    my ($self, $text, $own) = @_;
    my $named = sub {
        my ($name) = @_;
        return $self->anchor($own && $own->{$name} ? undef : $self->{at}{$name}, $name);
    };
    return escaped($text) =~ s{(?<!/)\berrand/(\w+)\.h\b}{$self->header($1)}ger =~
        s/(?<![#"])\b((?:errand|ERRAND)_\w+)\b/$named->($1)/ger;
}

sub header {
    my ($self, $name) = @_;
    return $self->anchor($self->{at}{"errand-$name(7)"} // $self->{at}{"errand-$name(5)"},
        "errand/$name.h");
}

sub styled {
    my ($self, $text) = @_;
    my $out = '';
    for (Text::inline($text)) {
        my ($kind, $said, $target) = @$_;
        if ($kind eq 'text') { $out .= escaped($said) }
        elsif ($kind eq 'bold') { $out .= '<strong>' . $self->styled($said) . '</strong>' }
        elsif ($kind eq 'em') { $out .= '<em>' . escaped($said) . '</em>' }
        elsif ($kind eq 'code') { $out .= '<code>' . $self->code($said) . '</code>' }
        elsif ($kind eq 'word') {
            $out .= $self->{at}{$said} ? '<code>' . $self->code($said) . '</code>' : escaped($said);
        }
        elsif ($kind eq 'ref') {
            my $to = $self->{at}{ $target =~ /^[^3]$/ ? "$said($target)" : $said };
            $out .= '<code>' . $self->anchor($to, escaped("$said($target)")) . '</code>';
        } elsif ($kind eq 'header') {
            $out .= $self->header($said);
        } else {
            $target =~ s/\.md(?=#|$)/.html/ if $target !~ m{^\w+://};
            $out .= $self->anchor(escaped($target), escaped($said));
        }
    }
    return $out;
}

sub paragraph { return "<p>" . $_[0]->styled($_[1]) . "</p>\n" }

sub listed { # pairs of a term, ready, and a text
    my ($self, $class, @items) = @_;
    return '' if !@items;
    return "<dl class=\"$class\">\n" .
        join('', map { "<dt>$_->[0]</dt><dd>" . $self->styled($_->[1]) . "</dd>\n" } @items) .
        "</dl>\n";
}

sub blocks {
    my ($self, $blocks) = @_;
    my $out = '';
    for my $b (@$blocks) {
        my $kind = $b->{kind};
        if ($kind eq 'para') { $out .= $self->paragraph($b->{text}) }
        elsif ($kind eq 'code') { $out .= '<pre>' . $self->code($b->{text}) . "</pre>\n" }
        elsif ($kind eq 'head') {
            my $tag = "h$b->{level}";
            $out .= "<$tag id=\"$b->{id}\">" . $self->styled($b->{text}) . "</$tag>\n";
        } elsif ($kind eq 'list') {
            my $tag = $b->{ordered} ? 'ol' : 'ul';
            $out .= "<$tag>\n" .
                join('', map { '<li>' . $self->styled($_) . "</li>\n" } @{ $b->{items} }) .
                "</$tag>\n";
        } elsif ($kind eq 'errors') {
            $out .= $self->errors($b->{items});
        } elsif ($kind eq 'terms') {
            $out .= $self->listed('terms', map { [escaped($_->[0]), $_->[1]] } @{ $b->{items} });
        } else {
            $out .= $self->table($b->{rows});
        }
    }
    return $out;
}

sub table {
    my ($self, $rows) = @_;
    my ($head, @body) = @$rows;
    my $row = sub {
        my ($tag, $cells) = @_;
        '<tr>' . join('', map { "<$tag>" . $self->styled($_) . "</$tag>" } @$cells) . "</tr>\n";
    };
    return "<div class=\"wide\"><table>\n<thead>" . $row->('th', $head) . "</thead>\n<tbody>" .
        join('', map { $row->('td', $_) } @body) . "</tbody></table></div>\n";
}

sub errors {
    my ($self, $items) = @_;
    return $self->listed('errors',
        map { ['<code>' . $self->code($_->[0]) . '</code>', $_->[1]] } @$items);
}

# ---- declarations ----

sub signature {
    my ($d) = @_;
    return $d->{kind} eq 'function' ||
        $d->{kind} eq 'callback' ? Headers::wrapped($d->{code}) : $d->{code};
}

sub members {
    my ($self, $d) = @_;
    my $constant = $d->{kind} eq 'enum';
    return ($d->{intro} ne '' ? $self->paragraph($d->{intro}) : '') . $self->listed(
        'members',
        map {
            my $name = $constant ? Headers::constant($_) : '';
            ['<code' . ($constant ? " id=\"$name\"" : '') .
                    '>' . $self->code($_->{code}, { $name => 1 }) . '</code>', $_->{text}
            ]
        } @{ $d->{members} }
    );
}

# A group: its declarations, the text, what it returns.
sub entry {
    my ($self, $group) = @_;
    my $doc = $group->{doc};
    my @shown = grep { !Pages::is_door($_) } @{ $group->{declarations} };
    my %own = map { $_->{name} ? ($_->{name} => 1) : () } @shown;
    my @titles =
        map { $_->{members} ? "$_->{kind} $_->{name}" : $_->{name} }
        grep { $_->{name} } @shown;
    my ($first, @more) = grep { $_->{name} } @shown;
    my $out = '<section class="entry"' . ($first ? " id=\"$first->{name}\"" : '') . ">\n";
    $out .= '<h3>' . (join(', ', map { "<code>$_</code>" } @titles) || 'Constants') . "</h3>\n";
    $out .= join '', map { "<a id=\"$_->{name}\"></a>" } @more;
    my @code = grep { !$_->{members} } @shown;
    $out .=
        '<pre class="declared">' .
        join("\n", map { $self->code(signature($_), \%own) } @code) . "</pre>\n"
        if @code;
    $out .= $self->blocks($doc->{blocks});
    my @noted = grep { $_->{note} ne '' && !$_->{members} } @shown;
    $out .=
        @shown == 1 ?
        join('', map { $self->paragraph(ucfirst $_->{note}) } @noted) :
        $self->listed('members', map { ["<code>$_->{name}</code>", $_->{note}] } @noted);
    $out .= $self->members($_) for grep { $_->{members} } @shown;
    $out .= $self->paragraph($_) for @{ $doc->{returns} };
    $out .= $self->errors($doc->{errors});
    my @last = (
        ['Thread safety', $doc->{threads}], ['Source', $doc->{source}],
        ['See also', $doc->{see}], ['Options', $self->options($group)]
    );
    $out .= $self->listed('last', grep { $_->[1] ne '' } @last);
    return "$out</section>\n";
}

# The types that a reader of these functions needs, as text.
sub options {
    my ($self, $group) = @_;
    my @names = $group->{page} ? map { $_->{name} } @{ $group->{page}{types} // [] } : ();
    return join ', ', grep { $self->{at}{$_} } @names;
}

# Groups that are documented, and sections that hold any.
sub shown {
    my ($header) = @_;
    my @items = grep { $_->{doc} || defined $_->{section} } @{ $header->{items} };
    my $full = sub {
        my ($at) = @_;
        return $items[$at]{doc} || $items[$at]{text} ne '' || $at < $#items && $items[$at + 1]{doc};
    };
    return @items[grep { $full->($_) } 0 .. $#items];
}

sub header_body {
    my ($self, $header) = @_;
    my $libraries = $header->{library} eq 'errand' ? '-lerrand' : '-lerrand-http -lerrand';
    my $out = $self->paragraph("`#include <$header->{file}>`, link with `$libraries`.") .
        $self->blocks([Text::theme($header->{text})]);
    $out .= $self->directory if $header->{name} eq 'errand';
    for my $item (shown($header)) {
        if (defined $item->{section}) {
            my ($id, $title) = (id_of($item->{section}), ucfirst $item->{section});
            $out .= "<h2 id=\"$id\">" . $self->styled($title) . "</h2>\n" .
                $self->blocks([Text::theme($item->{text})]);
        } else {
            $out .= $self->entry($item);
        }
    }
    return $out;
}

# Of the index: guides, and headers with their functions.
sub directory {
    my ($self) = @_;
    my $out = '';
    my @guides = map { [$self->anchor($_->{html}, escaped(title_of($_))), subtitle_of($_)] }
        @{ $self->{pages}{guides} };
    $out .= "<h2>Guides</h2>\n" . $self->listed('terms', @guides) if @guides;
    $out .= "<h2>Headers</h2>\n";
    for my $header (grep { $_->{name} ne 'errand' } @{ $self->{pages}{headers} }) {
        my @names = map { @{ $_->{page}{names} } } grep { $_->{page} } @{ $header->{items} };
        my $codes = join ' ', map { '<code>' . $self->code($_) . '</code>' } @names;
        $out .= "<h3><a href=\"$header->{html}\">errand/$header->{name}.h</a></h3>\n" .
            $self->paragraph(ucfirst "$header->{title}.");
        $out .= "<p class=\"names\">$codes</p>\n" if @names;
    }
    return $out;
}

sub contents {
    my ($self, $header) = @_;
    my $out = '';
    for my $item (shown($header)) {
        if (defined $item->{section}) {
            my ($id, $title) = (id_of($item->{section}), ucfirst $item->{section});
            $out .= "<li class=\"part\"><a href=\"#$id\">" . escaped($title) . "</a></li>\n";
        } else {
            my @named = map { $_->{name} // () } @{ $item->{declarations} };
            my $name = $item->{page} ? $item->{page}{name} : $named[0];
            $out .= "<li><a href=\"#$name\">$name</a></li>\n" if defined $name;
        }
    }
    return $out;
}

# ---- a page ----

sub page {
    my ($self, $dir, $file, $title, $line, $body, $contents) = @_;
    my @all = (
        map({ [$_->{html}, title_of($_)] } @{ $self->{pages}{guides} }),
        map { [$_->{html}, $_->{name} eq 'errand' ? 'errand' : "errand/$_->{name}.h"] }
            @{ $self->{pages}{headers} }
    );
    my $list = '';
    for (sort { ($b->[0] eq 'index.html') <=> ($a->[0] eq 'index.html') } @all) {
        my ($to, $name) = @$_;
        my $current = $to eq $file ? ' aria-current="page"' : '';
        $list .= "<li><a href=\"$to\"$current>" . escaped($name) . "</a></li>\n";
    }
    my $here = $contents eq '' ? '' : "<h2>On this page</h2>\n<ul>\n$contents</ul>\n";
    my $name = escaped($title);
    main::spew("$dir/$file", <<"END" . $body . "</main>\n</div>\n</body>\n</html>\n");
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name${\($title eq 'errand' ? '' : ' - errand')}</title>
<link rel="stylesheet" href="site.css">
<script src="index.js" defer></script>
<script src="search.js" defer></script>
</head>
<body>
<header>
<a class="home" href="index.html">errand <span>$self->{pages}{version}</span></a>
<div class="search" role="search">
<input type="search" id="search" placeholder="Search (/)" aria-label="Search" autocomplete="off">
<ol id="found" hidden></ol>
</div>
</header>
<div class="columns">
<nav>
<details>
<summary>Contents</summary>
<ul>
$list</ul>
$here</details>
</nav>
<main>
<h1>$name</h1>
<p class="line">${\$self->styled(ucfirst "$line.")}</p>
END
}

1;
