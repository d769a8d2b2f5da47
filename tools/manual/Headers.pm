# Reads C headers: what they declare, and the comments that document it.
#
# header      { file, page, section, library, title, text, items }; items: groups and sections in
#             the order of the file
# section     { section => title, text }
# group       { line, text, declarations }: a comment and what stands directly below it, up to a
#             blank line or the next comment
# declaration { kind, name, line, code, note, ... }
#   function    type, params, inline      macro     params (undef: none), value
#   struct      members, intro            enum      members, intro (name undef: anonymous)
#   callback    (a typedef of a function) opaque    (a struct without members here)
# member      { code, text }
package Headers;
use strict;
use warnings FATAL => 'all';

my $comment = qr{/\*.*?\*/}s;
my $string = qr{"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'}s;
my $braces = qr/(\{(?:[^{}"'\/]++|$comment|\/|$string|(?-1))*+\})/s;

# The headers below DIR. Those that errand.h includes, directly or not, belong to liberrand, all
# others to liberrand-http.
sub read_all {
    my ($dir) = @_;
    my %text = map { substr($_, length($dir) + 1) => slurp($_) } glob("$dir/*.h $dir/errand/*.h");
    my (%core, @todo);
    @todo = 'errand.h';
    while (defined(my $file = pop @todo)) {
        next if $core{$file}++ || !defined $text{$file};
        push @todo, $text{$file} =~ /^#include\s*<([^>]+)>/mg;
    }
    my @headers = map { parse($_, $text{$_}) } sort keys %text;
    $_->{library} = $core{ $_->{file} } ? 'errand' : 'errand-http' for @headers;
    return grep { $_->{file} ne 'errand-http.h' } @headers; # errand-http(7) is errand/http.h
}

sub slurp {
    my ($path) = @_;
    open(my $in, '<:encoding(UTF-8)', $path) or die "$path: $!\n";
    local $/;
    return scalar <$in>;
}

# The text of a comment, without its frame.
sub plain {
    my ($text) = @_;
    $text =~ s{^/\*+}{};
    $text =~ s{\s*\*+/$}{};
    $text =~ s{^[ \t]*\*(?: |$)}{}mg;
    $text =~ s{[ \t]+$}{}mg;
    $text =~ s{^ *\n*}{};
    return $text;
}

# Code without its comments and strings.
sub without_comments {
    my ($code) = @_;
    return $code =~ s/$comment|$string/ /gr;
}

sub folded {
    my ($text) = @_;
    $text =~ s/^\s+|\s+$//g;
    $text =~ s/\s+/ /g;
    return $text;
}

sub parse {
    my ($file, $source) = @_;
    my ($name) = $file =~ m{([^/]+)\.h$};
    my $header = {
        file => $file, name => $name, page => $name eq 'errand' ? $name : "errand-$name",
        section => $name eq 'jobs' ? 5 : 7, title => '', text => '', items => []
    };
    # What C++ alone sees becomes blank lines, so that line numbers stay.
    $source =~ s{^#ifdef __cplusplus\n.*?^#endif[^\n]*}{ "\n" x ($& =~ tr/\n//) }gmse;

    my $group;
    my $begin_group = sub {
        my ($line, $text) = @_;
        push @{ $header->{items} }, $group = { line => $line, text => $text, declarations => [] };
    };
    my ($counted, $line) = (0, 1);
    my $line_at = sub {
        my ($at) = @_;
        $line += substr($source, $counted, $at - $counted) =~ tr/\n//;
        $counted = $at;
        return $line;
    };
    pos($source) = 0;
    while (pos($source) < length $source) {
        my $at = $line_at->(pos $source);
        if ($source =~ /\G[ \t]*\n/gc) {
            undef $group;
        } elsif ($source =~ /\G($comment)[ \t]*\n?/gc) {
            my $text = plain(my $whole = $1);
            my $documents = $whole =~ m{^/\*\*};
            undef $group;
            if (!$header->{title}) {
                @$header{qw(title text)} = head($text);
            } elsif ($text =~ /^-{2,}\s*(.*?)\s*-{2,}\s*(?:\n(.*))?$/s) {
                push @{ $header->{items} }, { section => $1, text => $2 // '' };
            } elsif ($documents) {
                $begin_group->($at, $text);
            }
        } elsif ($source =~ /\G(#(?:$comment|[^\n\\]|\\.)*)(?:\n|$)/gcs) {
            my $macro = macro($1, $at) or next;
            $begin_group->($at, '') if !$group;
            push @{ $group->{declarations} }, $macro;
        } else {
            my $code = take_declaration(\$source);
            my @declared = declarations($code, $at) or next;
            $begin_group->($at, '') if !$group;
            push @{ $group->{declarations} }, @declared;
            $declared[-1]{note} = notes(\$source);
        }
    }
    my @items = grep { defined $_->{section} || @{ $_->{declarations} } } @{ $header->{items} };
    $header->{items} = \@items;
    return $header;
}

# "errand/sem.h -- what it is.", and the text below.
sub head {
    my ($text) = @_;
    my ($first, $rest) = split /\n\s*\n/, $text, 2;
    my ($title) = folded($first) =~ /^\S+\s+--\s+(.*?)\.?$/;
    return ($title // folded($first), $rest // '');
}

# Text up to a semicolon, or to the end of a function's body, in which it may begin.
sub take_declaration {
    my ($source) = @_;
    my $code = '';
    while (1) {
        if ($$source =~ /\G($comment|$string|[^;{\/"']+|\/)/gc) {
            $code .= $1;
        } elsif ($$source =~ /\G($braces)/gc) {
            my $block = $1;
            return $code . $block if $code !~ /\S/ || $code =~ /\)\s*$/;
            $code .= $block;
        } elsif ($$source =~ /\G(.)/gcs) {
            $code .= $1;
            return $code if $1 eq ';';
        } else {
            return $code;
        }
    }
}

# Comments behind a declaration: on its line, and indented ones on the lines below.
sub notes {
    my ($source) = @_;
    my @notes;
    push @notes, folded(plain($1)) while $$source =~ /\G(?:[ \t]*|\n[ \t]+)($comment)/gc;
    $$source =~ /\G[ \t]*\n/gc;
    return join ' ', @notes;
}

sub macro {
    my ($text, $line) = @_;
    my ($name, $params, $value) = $text =~ /^#\s*define\s+(\w+)(\([^)]*\))?\s*(.*)$/s or return;
    return if $name =~ /_H$|_$|^ERRAND_API$/;
    my @notes = map { folded(plain($_)) } $value =~ /$comment/g;
    $value =~ s/$comment//g;
    $value =~ s/\\\n/ /g;
    $value = folded($value);
    my $code = "#define $name" . ($params // '') .
        ($value ne '' && length $value < 90 && !$params ? " $value" : '');
    return {
        kind => 'macro', name => $name, params => $params, value => $value, line => $line,
        code => $code, note => join(' ', @notes)
    };
}

sub declarations {
    my ($code, $line) = @_;
    my %shared = (line => $line, note => '');
    my $bare = folded($code =~ s/$comment/ /gr);
    if ($bare =~ /^(?:typedef )?(struct|enum) ?(\w*) ?\{.*\} ?(\w*);$/) {
        my ($kind, $name) = ($1, $3 || $2);
        my ($body) = $code =~ /($braces)/;
        my ($intro, @members) = members($kind, substr($body, 1, -1));
        return {
            %shared, kind => $kind, name => $name || undef, members => \@members, intro => $intro,
            code => ($bare =~ /^typedef / ? 'typedef ' : '') . $kind . ($2 ? " $2" : '')
        };
    }
    return { %shared, kind => 'opaque', name => $1, code => $bare }
        if $bare =~ /^typedef struct \w+ (\w+);$/;
    return { %shared, kind => 'callback', name => $1, code => $bare }
        if $bare =~ /^typedef [^(]*?(\w+)\(.*\);$/;
    my $inline = $bare =~ s/^static inline //;
    return if !($bare =~ s/^ERRAND_API // || $inline);
    $bare =~ s/ ?__attribute__ ?\(\((?:[^()]|\([^()]*\))*\)\)//g;
    $bare =~ s/ ?\{.*//s if $inline;
    $bare =~ s/;$//;
    my ($type, $name, $params) = $bare =~ /^(.*?)(\w+) ?\((.*)\)$/ or return;
    $type =~ s/ $//;
    return {
        %shared, kind => 'function', name => $name, type => $type,
        params => [split_commas($params)], inline => $inline, code => "$bare;", source => $code
    };
}

# At commas outside of parentheses.
sub split_commas {
    my ($text) = @_;
    my ($depth, @parts) = (0, '');
    for my $c (split /([(),{}])/, $text) {
        $depth++ if $c eq '(' || $c eq '{';
        $depth-- if $c eq ')' || $c eq '}';
        if ($c eq ',' && !$depth) { push @parts, '' }
        else { $parts[-1] .= $c }
    }
    return grep { $_ ne '' } map { folded($_) } @parts;
}

# A declaration on several lines where it is long.
sub wrapped {
    my ($code) = @_;
    return $code if length $code <= 68;
    my ($head, $params) = $code =~ /^(.*?\()(.*)$/ or return $code;
    return $head . "\n    " . join(",\n    ", split_commas($params));
}

# The comment behind the opening brace; then the members. A comment belongs to the member that it
# stands behind, or, at the beginning of a line, to the one below.
sub members {
    my ($kind, $body) = @_;
    my $end = $kind eq 'enum' ? ',' : ';';
    my ($intro, $code, $before, @members) = ('', '', '');
    my $fresh = 0; # a member has ended in this line
    $intro = folded(plain($1)) if $body =~ s/\A[ \t]*($comment)//;
    pos($body) = 0;
    while (pos($body) < length $body) {
        if ($body =~ /\G($comment)/gc) {
            my $text = folded(plain($1));
            my $to = $fresh ? \$members[-1]{text} : \$before;
            $$to = join ' ', grep { $_ ne '' } $$to, $text;
        } elsif ($body =~ /\G\n/gc) {
            $fresh = 0;
            $code .= ' ';
        } elsif ($body =~ /\G($braces|\((?:[^()]|\([^()]*\))*\)|[^;,({\/\n]+|.)/gc) {
            my $piece = $1;
            $fresh = 0 if $piece =~ /\S/;
            if ($piece eq $end) {
                push @members, { code => folded($code), text => $before };
                ($code, $before, $fresh) = ('', '', 1);
            } else {
                $code .= $piece;
            }
        }
    }
    push @members, { code => folded($code), text => $before } if $code =~ /\S/;
    return ($intro, grep { $_->{code} !~ /\b(?:reserved|priv)\b(?:\[\d+\])?$/ } @members);
}

# Of an enum's member: its name alone.
sub constant { return $_[0]{code} =~ /^(\w+)/ ? $1 : '' }

1;
