# Text of comments and of markdown files, as blocks:
#   { kind => 'para' | 'code' | 'head', text, level }          head: of markdown alone
#   { kind => 'list', items => [text], ordered }
#   { kind => 'terms' | 'errors', items => [[term, text]] }
#   { kind => 'table', rows => [[text]] }                     of markdown; its first row is the head
# inline() takes the text of a block apart.
package Text;
use strict;
use warnings FATAL => 'all';

my $error = qr/-?(?:E[A-Z0-9]{2,}|ERRAND_[A-Z]\w*(?: \+ \w+)?)/;
my $row = qr/(?:$error(?:, $error)*|-?\d+|NULL|errno)(?=\s|$)/;

# What begins a paragraph without a blank line above it.
my $opens = qr/^(?:- |Returns\b|Thread[- ]safety:|Sources?:|See also\b)/;

sub joined {
    return join ' ', map { s/^\s+|\s+$//gr } @_;
}

sub indent { return $_[0] =~ /^( +)\S/ ? length $1 : 0 }

# Takes lines off the front of @$lines while the next is indented, blank lines between them
# included.
sub take_indented {
    my ($lines, $least) = @_;
    my @taken;
    while (@$lines) {
        my ($next) = grep { /\S/ } @$lines;
        last if !defined $next || indent($next) < $least;
        push @taken, shift @$lines;
    }
    return @taken;
}

sub blocks {
    my ($text) = @_;
    my @lines = split /\n/, $text;
    my @blocks;
    while (@lines) {
        if ($lines[0] !~ /\S/) {
            shift @lines;
        } elsif (indent($lines[0]) >= 2) {
            push @blocks, indented(take_indented(\@lines, 2));
        } elsif ($lines[0] =~ /^(-|\d+\.) /) {
            push @blocks, list(\@lines, $1 ne '-');
        } elsif (term(@lines)) {
            push @blocks, terms(\@lines);
        } else {
            my @para = shift @lines;
            push @para, shift @lines while @lines && $lines[0] =~ /^\S/ && $lines[0] !~ $opens;
            push @blocks, { kind => 'para', text => joined(@para) };
        }
    }
    return @blocks;
}

# The text of a header or of a section of it: a word or two at the beginning of a paragraph are its
# title.
sub theme {
    my ($text) = @_;
    my @blocks = blocks($text);
    s/^([A-Z][a-z]+(?: [a-z]+)?\.)(?= )/**$1**/
        for map { $_->{text} } grep { $_->{kind} eq 'para' } @blocks;
    return @blocks;
}

# A table of errors, or else an example as it is.
sub indented {
    my (@lines) = @_;
    my ($base) = sort { $a <=> $b } map { indent($_) } grep { /\S/ } @lines;
    s/^ {$base}// for @lines;
    my @rows = grep { /^\S/ } @lines;
    return { kind => 'code', text => join("\n", @lines) }
        if grep { !/^$row/ } @rows
        or !grep { /^$error/ } @rows;
    my @items;
    for (@lines) {
        if (/^($row)\s*(.*)/) { push @items, [$1, $2] }
        else { $items[-1][1] = joined($items[-1][1], $_) }
    }
    return { kind => 'errors', items => \@items };
}

sub list {
    my ($lines, $ordered) = @_;
    my @items;
    while (@$lines && $lines->[0] =~ /^(?:-|\d+\.) +(.*)/) {
        my $first = $1;
        shift @$lines;
        my @more;
        push @more, shift @$lines while @$lines && indent($lines->[0]) >= 2;
        push @items, joined($first, @more);
        shift @$lines while @$lines > 1 && $lines->[0] !~ /\S/ && $lines->[1] =~ /^(?:-|\d+\.) /;
    }
    return { kind => 'list', ordered => $ordered, items => \@items };
}

# "Owners.  Text ...", with further lines indented: the term and its first line.
sub term {
    my ($first, $second) = @_;
    my ($term, $gap, $text) = $first =~ /^(\S.{0,24}?)[.:](\s+)(\S.*)/ or return;
    return ($term, $text)
        if length $gap > 1 || defined $second && indent($second) == length("$term.$gap");
    return;
}

sub terms {
    my ($lines) = @_;
    my @items;
    while (@$lines and my ($term, $text) = term(@$lines)) {
        shift @$lines;
        $text = joined($text, shift @$lines) while @$lines && indent($lines->[0]) >= 2;
        push @items, [$term, $text];
    }
    return { kind => 'terms', items => \@items };
}

# What a comment says of a function: { summary, blocks, returns, errors, threads, source, see }.
sub doc {
    my ($text) = @_;
    my %doc = (summary => '', threads => '', source => '', see => '');
    @doc{qw(blocks returns errors)} = ([], [], []);
    for my $block (map { returns_apart($_) } blocks($text)) {
        my $said = $block->{kind} eq 'para' ? $block->{text} : '';
        $doc{summary} ||= first_sentence($said);
        if ($block->{kind} eq 'errors') { push @{ $doc{errors} }, @{ $block->{items} } }
        elsif ($said =~ /^Thread[- ]safety:\s*(.*)/) { $doc{threads} = ucfirst $1 }
        elsif ($said =~ /^Sources?:\s*(.*)/) { $doc{source} = $1 }
        elsif ($said =~ /^See also:?\s+(.*)/) { $doc{see} = $1 }
        elsif ($said =~ /^Returns\b/) { push @{ $doc{returns} }, $said }
        else { push @{ $doc{blocks} }, $block }
    }
    # A comment that begins with what it returns has this as its description.
    if (!@{ $doc{blocks} } && @{ $doc{returns} }) {
        $doc{blocks} = [{ kind => 'para', text => $doc{returns}[0] }];
        shift @{ $doc{returns} } if !@{ $doc{errors} };
    }
    return \%doc;
}

# A sentence that begins with "Returns" begins a paragraph.
sub returns_apart {
    my ($block) = @_;
    return $block if $block->{kind} ne 'para';
    my @parts = split /(?<=[.)]) +(?=Returns\b)/, $block->{text}, 2;
    return map { { kind => 'para', text => $_ } } @parts;
}

sub first_sentence {
    my ($text) = @_;
    return $text =~ /^(.*?(?<!e\.g)(?<!i\.e)(?<!etc)(?<!\.))\.(?:\s|$)/ ? $1 : $text;
}

# ---- markdown ----

sub markdown {
    my ($text) = @_;
    my @lines = split /\n/, $text;
    my @blocks;
    while (@lines) {
        if ($lines[0] =~ /^(#+)\s+(.*)/) {
            push @blocks, { kind => 'head', level => length $1, text => $2 };
            shift @lines;
        } elsif ($lines[0] =~ /^```/) {
            my @code;
            shift @lines;
            push @code, shift @lines while @lines && $lines[0] !~ /^```/;
            shift @lines;
            push @blocks, { kind => 'code', text => join("\n", @code) };
        } elsif ($lines[0] =~ /^\|/) {
            my @rows;
            push @rows, cells(shift @lines) while @lines && $lines[0] =~ /^\|/;
            splice @rows, 1, 1 if @rows > 1 && !grep { !/^:?-+:?$/ } @{ $rows[1] };
            push @blocks, { kind => 'table', rows => \@rows };
        } else {
            my @prose;
            push @prose, shift @lines while @lines && $lines[0] !~ /^(?:#+\s|```|\|)/;
            push @blocks,
                map { $_->{kind} eq 'errors' ? { %$_, kind => 'terms' } : $_ }
                blocks(join "\n", @prose);
        }
    }
    return @blocks;
}

sub cells {
    my ($line) = @_;
    $line =~ s/^\|\s*|\s*\|\s*$//g;
    return [map { s/\\\|/|/gr } split /\s*(?<!\\)\|\s*/, $line];
}

# A text as a list of [kind, text, target]: text, code, bold, em, link (target: where to), ref
# (text: a name, target: its section, '' for a function that is named with its parentheses), header
# (text: its name), word (a public name in running text).
sub inline {
    my ($text) = @_;
    my @parts;
    while (
        $text =~ /\G(?:
            (?<!`)`(?<code>[^`]+)`
          | \*\*(?<bold>[^*]+)\*\*
          | (?<![\w*])\*(?<em>\w[\w ,'-]*\w|\w)\*(?![\w*])
          | \[(?<label>[^\]]+)\]\((?<link>[^)\s]+)\)
          | <?(?<url>https?:\/\/\w[^\s<>)]*[^\s<>).,;:])>?
          | (?<![\w-])(?<page>errand[\w-]*)\((?<section>[1-9]?)\)
          | (?<![\w\/.])errand\/(?<header>\w+)\.h\b
          | (?<![\w.>-])(?<call>[a-z_]\w*\(\))
          | (?<![\w])(?<word>(?:errand|ERRAND)_\w*\w)
          | (?<text>\w+|.)
        )/gcxs
        )
    {
        my %m = %+;
        if (defined $m{code}) { push @parts, ['code', $m{code}] }
        elsif (defined $m{bold}) { push @parts, ['bold', $m{bold}] }
        elsif (defined $m{em}) { push @parts, ['em', $m{em}] }
        elsif (defined $m{link}) { push @parts, ['link', $m{label}, $m{link}] }
        elsif (defined $m{url}) { push @parts, ['link', $m{url}, $m{url}] }
        elsif (defined $m{page}) { push @parts, ['ref', $m{page}, $m{section}] }
        elsif (defined $m{header}) { push @parts, ['header', $m{header}] }
        elsif (defined $m{call}) { push @parts, ['code', $m{call}] }
        elsif (defined $m{word}) { push @parts, ['word', $m{word}] }
        elsif (@parts && $parts[-1][0] eq 'text') { $parts[-1][1] .= $m{text} }
        else { push @parts, ['text', $m{text}] }
    }
    return @parts;
}

1;
