# Writes pages in mdoc, for man(1).
package Man;
use strict;
use warnings FATAL => 'all';
use POSIX qw(strftime);

sub new {
    my ($class, $pages) = @_;
    # The day is that of the sources where the packager says so: builds are the same each time.
    my $day = strftime '%B %e, %Y', gmtime($ENV{SOURCE_DATE_EPOCH} // time);
    return bless { pages => $pages, day => $day =~ s/  / /r, files => {}, library => {} }, $class;
}

# Every page below $dir, and $dir/pages: a line "library section/page" for each.
sub write_all {
    my ($self, $dir) = @_;
    my $pages = $self->{pages};
    $self->function_page($_) for @{ $pages->{pages} };
    $self->header_page($_) for @{ $pages->{headers} };
    $self->guide_page($_) for grep { $_->{section} } @{ $pages->{guides} };
    my @list;
    for my $file (sort keys %{ $self->{files} }) {
        my ($folder) = "$dir/$file" =~ m{^(.*)/};
        -d $_ or mkdir $_ or die "$_: $!\n" for $dir, $folder;
        main::spew("$dir/$file", $self->{files}{$file});
        push @list, "$self->{library}{$file} $file\n";
    }
    main::spew("$dir/pages", join '', @list);
}

sub add {
    my ($self, $library, $name, $section, $text) = @_;
    my $file = "man$section/$name.$section";
    return if $self->{files}{$file};
    $self->{files}{$file} = $text;
    $self->{library}{$file} = $library;
}

# Another name of a page.
sub alias {
    my ($self, $library, $name, $to, $section) = @_;
    $self->add($library, $name, 3, ".so man$section/$to.$section\n");
}

# ---- text ----

sub escaped {
    my ($text) = @_;
    $text =~ s/\\/\\e/g;
    $text =~ s/([^\x00-\x7f])/sprintf '\\[u%04X]', ord $1/ge;
    $text =~ s/--/\\(en/g;
    $text =~ s/`/\\(ga/g;
    $text =~ s/\^/\\(ha/g;
    $text =~ s/~/\\(ti/g;
    return $text;
}

sub literal {
    my ($text) = @_;
    return escaped($text =~ s/-(?=-)/-\x01/gr) =~ s/-/\\-/gr =~ s/\x01//gr =~ s/"/\\(dq/gr;
}

sub marked { # FONT TEXT; lines do not break at its blanks if it is short
    my ($font, $text) = @_;
    my $kept = length $text > 24 ? literal($text) : literal($text) =~ s/ /\\~/gr;
    return "\\f$font$kept\\fR";
}

# Text with fonts. Names of parameters are in italics, what else is code in bold.
sub styled {
    my ($self, $text, $params) = @_;
    my $out = '';
    for (Text::inline($text)) {
        my ($kind, $said, $target) = @$_;
        if ($kind eq 'text') { $out .= escaped($said) }
        elsif ($kind eq 'code') { $out .= marked($params && $params->{$said} ? 'I' : 'B', $said) }
        elsif ($kind eq 'bold') { $out .= '\\fB' . escaped($said) . '\\fR' }
        elsif ($kind eq 'em') { $out .= '\\fI' . escaped($said) . '\\fR' }
        elsif ($kind eq 'word') {
            $out .= $self->{pages}->known->{$said} ? marked('B', $said) : escaped($said);
        }
        elsif ($kind eq 'ref') { $out .= marked('B', $said) . "($target)" }
        elsif ($kind eq 'header') { $out .= escaped("errand/$said.h") }
        else {
            $out .= escaped($said);
            $out .= ' (' . escaped($target) . ')' if $target ne $said && $target =~ /:/;
        }
    }
    return $out;
}

# Lines of at most 78 characters; a sentence begins a line, and names are not broken.
sub filled {
    my ($self, $text, $params) = @_;
    my @lines;
    my $end = qr/(?<=[\w)\]'"][.!?:])\s+|(?<=[.!?]\))\s+/;
    for my $sentence (split /$end(?=["(]?(?:\\f[BI])?[A-Z*])/, $self->styled($text, $params)) {
        my $line = '';
        for my $word (split ' ', $sentence) {
            $word =~ s/^(?=.*_)/\\%/;
            if ($line ne '' && length("$line $word") > 78) {
                push @lines, $line;
                $line = '';
            }
            $line .= $line eq '' ? $word : " $word";
        }
        push @lines, $line if $line ne '';
    }
    return join '', map { (/^[.']/ ? '\\&' : '') . "$_\n" } @lines;
}

sub code {
    my ($text) = @_;
    return ".Bd -literal -offset indent\n" .
        join('', map { (/^[.']/ ? '\\&' : '') . literal($_) . "\n" } split /\n/, $text) . ".Ed\n";
}

sub quoted { return '"' . literal($_[0]) . '"' }

# The text of a list's item begins with a capital, unless it begins with a name or a formula.
sub capital { return $_[0] =~ s/^(a|[a-z]{2,})(?=[\s,;:.]|$)/\u$1/r }

sub tagged { # pairs of a tag, ready, and a text
    my ($self, $params, $width, @items) = @_;
    return '' if !@items;
    return ".Bl -tag -width $width\n" .
        join('', map { ".It $_->[0]\n" . $self->filled($_->[1], $params) } @items) . ".El\n";
}

sub blocks {
    my ($self, $blocks, $params) = @_;
    my ($out, $begun) = ('', 0);
    for my $b (@$blocks) {
        my $kind = $b->{kind};
        if ($kind eq 'head') {
            $out .= $b->{level} == 2 ? '.Sh ' . uc(escaped($b->{text} =~ tr/`//dr)) . "\n" :
                '.Ss ' . escaped($b->{text} =~ tr/`//dr) . "\n";
            $begun = 0;
            next;
        }
        $out .= ".Pp\n" if $begun && $kind ne 'code';
        $begun = 1;
        if ($kind eq 'para') { $out .= $self->filled($b->{text}, $params) }
        elsif ($kind eq 'code') { $out .= code($b->{text}) }
        elsif ($kind eq 'errors') { $out .= $self->errors($b->{items}, $params) }
        elsif ($kind eq 'terms') {
            $out .= $self->tagged($params, 'Ds',
                map { ['Sy ' . quoted($_->[0]), $_->[1]] } @{ $b->{items} });
        }
        elsif ($kind eq 'list') {
            $out .= '.Bl -' . ($b->{ordered} ? 'enum' : 'bullet') . "\n" .
                join('', map { ".It\n" . $self->filled($_, $params) } @{ $b->{items} }) . ".El\n";
        } else {
            $out .= $self->table($b->{rows});
        }
    }
    return $out =~ s/\.Pp\n(?=\.Bl)//gr;
}

sub table {
    my ($self, $rows) = @_;
    my ($columns) = sort { $b <=> $a } map { scalar @$_ } @$rows;
    my $cell = sub { "T{\n" . ($self->filled($_[0]) || "\\&\n") . 'T}' };
    my @lines = map {
        join("\t", map { $cell->($_) } @$_, ('') x ($columns - @$_)) . "\n"
    } @$rows;
    return ".TS\nallbox;\n" .
        join(' ', ('lb') x $columns) . "\n" .
        join(' ', ('lx') x $columns) . ".\n" .
        join('', @lines) . ".TE\n";
}

sub errors {
    my ($self, $items, $params) = @_;
    my ($widest) = sort { length $b <=> length $a } map { $_->[0] } @$items;
    return $self->tagged($params, $widest =~ tr/ /-/r,
        map { ['Er ' . quoted($_->[0]), capital($_->[1])] } @$items);
}

# ---- declarations ----

sub synopsis {
    my ($d) = @_;
    return '.Fd ' . quoted($d->{code}) . "\n" if $d->{kind} eq 'macro' && !$d->{params};
    if ($d->{kind} eq 'macro') {
        my @params = Headers::split_commas($d->{params} =~ s/^\(|\)$//gr);
        return ".Fo $d->{name}\n" . join('', map { '.Fa ' . quoted($_) . "\n" } @params) . ".Fc\n";
    }
    if ($d->{kind} eq 'function') {
        return '.Ft ' . quoted($d->{type}) . "\n.Fo $d->{name}\n" .
            join('', map { '.Fa ' . quoted($_) . "\n" } @{ $d->{params} }) . ".Fc\n";
    }
    return '.Vt ' .
        quoted($d->{members} ? "$d->{code};" : $d->{code}) . "\n";
}

# A type with its text and its members.
sub type {
    my ($self, $d, $params) = @_;
    my $title = defined $d->{name} ? "$d->{kind} $d->{name}" : 'Constants';
    my $out = '.Ss ' . escaped($title) . "\n";
    $out .= $self->blocks([Text::blocks($d->{text})], $params) if ($d->{text} // '') ne '';
    $out .= ".Bd -literal -offset indent\n" . literal(Headers::wrapped($d->{code})) . "\n.Ed\n"
        if $d->{kind} eq 'callback';
    $out .= $self->filled($d->{intro}, $params) if ($d->{intro} // '') ne '';
    return $out . $self->tagged($params, 'Ds',
        map { ['Sy ' . quoted($_->{code}), capital($_->{text})] } @{ $d->{members} // [] });
}

sub params_of {
    my %params;
    for my $d (@_) {
        $params{$_} = 1
            for map { /\(\*(\w+)\)/ || /(\w+)(?:\[\w*\])?$/ ? $1 : () }
            @{ $d->{kind} eq 'function' ? $d->{params} : [] };
    }
    return \%params;
}

# ---- pages ----

# A part of a text without its markup.
sub said {
    my ($kind, $text, $section) = @{ $_[0] };
    return $kind eq 'ref' ? "$text($section)" : $kind eq 'header' ? "errand/$text.h" : $text;
}

sub start {
    my ($self, $name, $section, $names, $title) = @_;
    my $short = $title =~ /^[A-Z][a-z]/ ? lcfirst $title : $title;
    my $last = pop @$names;
    return ".\\\" Made by tools/manual from the sources of errand.\n.Dd $self->{day}\n.Dt " .
        uc($name) . " $section\n.Os errand $self->{pages}{version}\n.Sh NAME\n" .
        join('', map { ".Nm $_ ,\n" } @$names) . ".Nm $last\n.Nd " .
        (escaped(join '', map { said($_) } Text::inline($short)) =~ s/[\s.,:;]+$//r) . "\n";
}

# What a program that uses this header links with.
sub link_with {
    my ($header) = @_;
    my $http = $header->{library} eq 'errand' ? '' : '\\-lerrand\\-http ';
    my $name = $http ? 'errand\\-http' : 'errand';
    return "Link with $http\\-lerrand, or with what\n.Ql pkg\\-config \\-\\-libs $name\nprints.\n";
}

sub see_also {
    my ($self, $own, $source, @names) = @_;
    my %page;
    for (@names) {
        my ($name, $section) = @$_;
        $page{"$section $name"} = ".Xr $name $section" if $name ne $own;
    }
    my @lines = map { $page{$_} } sort keys %page;
    return '' if !@lines && $source eq '';
    $_ .= ' ,' for @lines[0 .. $#lines - 1];
    return ".Sh SEE ALSO\n" .
        join('', map { "$_\n" } @lines) .
        (@lines && $source ne '' ? ".Pp\n" : '') . $self->filled($source);
}

# The pages that a text names.
sub named {
    my ($self, $text) = @_;
    my %page = map { ($_->{page} // $_->{name}) . '.' . ($_->{section} // '') => 1 }
        @{ $self->{pages}{guides} }, @{ $self->{pages}{headers} };
    return map {
        my ($kind, $name, $section) = @$_;
        ($kind, $name, $section) = ('ref', "errand-$name", 7) if $kind eq 'header';
        my $page = $kind eq 'ref' && $self->{pages}{page_of}{$name};
        $section = 3 if $page;
        $name = $page->{name} if $page;
        $kind eq 'ref' && ($page || $page{"$name.$section"}) ? [$name, $section] : ();
    } Text::inline($text);
}

# "Returns 0, or": the table that follows has a section of its own.
sub rounded {
    my ($text) = @_;
    return $text
        if $text =~ s/\berrno:?$/errno set to one of the errors below./ ||
        $text =~ s/\b(or|with|as)$/$1 one of the errors below./;
    return $text =~ s/\s*:$/; the errors stand below./r;
}

sub function_page {
    my ($self, $page) = @_;
    my ($doc, $header) = @$page{qw(doc header)};
    my @shown = @{ $page->{declarations} };
    my $params = params_of(@shown);
    my $library = $header->{library};
    my @types = grep { $_->{members} || $_->{kind} eq 'callback' } @shown;
    push @types, @{ $page->{types} // [] };
    my @noted = map { ['Fn ' . $_->{name}, capital($_->{note})] }
        grep { $_->{note} ne '' && Pages::is_function($_) } @shown;

    my $out = $self->start($page->{name}, 3, [@{ $page->{names} }], $doc->{summary});
    $out .= ".Sh LIBRARY\n" . link_with($header) . ".Sh SYNOPSIS\n.In $header->{file}\n" .
        join('', map { synopsis($_) } @shown);
    $out .= ".Sh DESCRIPTION\n" .
        $self->blocks($doc->{blocks}, $params) . $self->tagged($params, 'Ds', @noted);
    # The group's own text stands above already.
    $out .= $self->type($shown[0] == $_ ? { %$_, text => '' } : $_, $params) for @types;
    my @returns = map { { kind => 'para', text => rounded($_) } } @{ $doc->{returns} };
    $out .= ".Sh RETURN VALUES\n" . $self->blocks(\@returns, $params) if @returns;
    $out .= ".Sh ERRORS\n" . $self->errors($doc->{errors}, $params) if @{ $doc->{errors} };
    $out .= ".Sh THREAD SAFETY\n" . $self->filled($doc->{threads}, $params)
        if $doc->{threads} ne '';
    $out .= $self->see_also($page->{name}, $doc->{source}, [$header->{page}, $header->{section}],
        map { $self->named($_) } $doc->{see}, @{ $doc->{returns} });
    $self->add($library, $page->{name}, 3, $out);
    $self->alias($library, $_, $page->{name}, 3)
        for @{ $page->{names} }, map { $self->{pages}->doors($_) } @{ $page->{names} };
}

sub header_page {
    my ($self, $header) = @_;
    my $pages = $self->{pages};
    my $out = $self->start($header->{page}, $header->{section}, [$header->{page}],
        $header->{title} || $header->{file});
    $out .= ".Sh SYNOPSIS\n.In $header->{file}\n.Pp\n" . link_with($header);
    $out .= ".Sh DESCRIPTION\n" .
        ($self->blocks([Text::theme($header->{text})]) || $self->filled("$header->{title}."));
    my @lists;
    for my $item (@{ $header->{items} }) {
        if (defined $item->{section}) {
            $out .=
                '.Ss ' . escaped(ucfirst $item->{section}) . "\n" .
                $self->blocks([Text::theme($item->{text})])
                if $item->{text} ne '';
            push @lists, [$item->{section}];
        } elsif ($item->{page}) {
            push @lists, [''] if !@lists;
            push @{ $lists[-1] }, $item->{page};
        }
    }
    for my $list (grep { @$_ > 1 } @lists) {
        my ($title, @listed) = @$list;
        $out .= ".Sh FUNCTIONS\n" if $out !~ /^\.Sh FUNCTIONS$/m;
        $out .= '.Ss ' . escaped(ucfirst $title) . "\n" if $title ne '';
        my @items = map {
            [join(' , ', map { "Xr $_ 3" } @{ $_->{names} }), "$_->{doc}{summary}."]
        } @listed;
        $out .= $self->tagged(undef, 'Ds', @items);
    }
    my @vocabulary = $pages->vocabulary($header);
    $out .= ".Sh TYPES AND CONSTANTS\n" if @vocabulary;
    $out .= $self->vocabulary_group($header, $_) for @vocabulary;
    my @others = grep { $header->{name} eq 'errand' && $_ != $header } @{ $pages->{headers} };
    my @items = map { ["Xr $_->{page} $_->{section}", ucfirst "$_->{title}."] } @others;
    $out .= ".Sh HEADERS\n" . $self->tagged(undef, 'Ds', @items) if @items;
    $out .= $self->see_also($header->{page}, '', ['errand', 7], $self->named($header->{text}));
    $self->add($header->{library}, $header->{page}, $header->{section}, $out);
}

# A documented group of types and constants: in full here, or a reference to the page that shows it.
sub vocabulary_group {
    my ($self, $header, $group) = @_;
    my ($pages, $out, $text) = ($self->{pages}, '', $group->{text});
    for my $d (@{ $group->{declarations} }) {
        my $home = defined $d->{name} ? $pages->{home}{ $d->{name} } : undef;
        my ($to, $section) = $home ? ($home->{name}, 3) : @$header{qw(page section)};
        $self->alias($header->{library}, $d->{name}, $to, $section)
            if defined $d->{name} && $d->{name} =~ /^errand_/;
        if ($home) {
            $out .= '.Ss ' . escaped("$d->{kind} $d->{name}") . "\n";
            $out .= $self->filled("$group->{doc}{summary}.") if $text ne '';
            $out .= "See\n.Xr $to 3 .\n";
        } elsif ($d->{members} || $d->{kind} eq 'callback') {
            $out .= $self->type({ %$d, text => $text });
        } else {
            $out .= '.Ss ' . escaped($d->{name}) . "\n" . $self->blocks([Text::blocks($text)]);
            $out .= ".Bd -literal -offset indent\n" . literal($d->{code}) . "\n.Ed\n";
            $out .= ".Pp\n" . $self->filled(capital($d->{note})) if $d->{note} ne '';
        }
        $text = '';
    }
    return $out;
}

sub guide_page {
    my ($self, $guide) = @_;
    my @blocks = @{ $guide->{blocks} };
    unshift @blocks, { kind => 'head', level => 2, text => 'Description' }
        if $blocks[0]{kind} ne 'head';
    my $out = $self->start($guide->{name}, $guide->{section}, [$guide->{name}], $guide->{title}) .
        $self->blocks(\@blocks);
    $out = "'\\\" t\n$out" if $out =~ /^\.TS$/m;
    $self->add($guide->{section} == 1 ? 'errand-http' : 'errand', $guide->{name}, $guide->{section},
        $out);
}

1;
