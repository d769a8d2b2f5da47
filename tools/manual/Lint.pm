# Finds what the comments of the public headers do not say.
package Lint;
use strict;
use warnings FATAL => 'all';
use File::Find;
use Headers;
use Text;

my $error = qr/\b(?:E[A-Z0-9]{2,}|ERRAND_E[A-Z]+)\b/;

# Gaps as "file:line: what".
sub gaps {
    my ($pages, $lib) = @_;
    my $bodies = bodies($lib);
    my (%functions, @gaps);
    push @gaps, missing_in_cpp($pages);
    for my $header (@{ $pages->{headers} }) {
        for my $group (grep { $_->{declarations} } @{ $header->{items} }) {
            push @{ $functions{ $_->{name} } },
                { %$_, file => $header->{file}, doc => $group->{doc} }
                for grep { Pages::is_function($_) } @{ $group->{declarations} };
        }
        push @gaps, unknown_names($pages, $header);
    }
    my $named = sub { named_errors(\%functions, $_[0], {}) };
    for my $name (keys %functions) {
        my @declared = @{ $functions{$name} };
        my ($first) = (grep({ $_->{doc} } @declared), @declared);
        my $at = "$first->{file}:$first->{line}: $name()";
        if (Pages::is_door($first)) {
            push @gaps, "$at has no inline wrapper" if !$pages->{wrapper_of}{$name};
        } elsif (!$first->{doc}) {
            push @gaps, "$at has no /** */ comment";
        } else {
            my %said = map { $_ => 1 } $named->($name);
            push @gaps, "$at: its comment names no error that it returns"
                if !%said && must_name_errors($first);
            my @code = map { $bodies->{$_} // () } $name, $pages->doors($name);
            push @code, map { $_->{source} =~ /(\{.*)/s ? $1 : () } grep { $_->{inline} } @declared;
            push @gaps, "$at can return $_, which its comment does not name"
                for grep { !$said{$_} } errors_of(@code);
        }
    }
    return sort { place($a) cmp place($b) } @gaps;
}

sub place { return $_[0] =~ /^(.*?):(\d+): (.*)/s ? sprintf '%s %06d %s', $1, $2, $3 : $_[0] }

# Public names in comments that no header declares: what is left of a function that was renamed.
sub unknown_names {
    my ($pages, $header) = @_;
    my ($known, @gaps) = ($pages->known);
    my $check = sub {
        my ($line, $text) = @_;
        for (Text::inline($text)) {
            my ($kind, $name, $section) = @$_;
            ($kind, $name) = ('word', $1) if $kind eq 'code' && $name =~ /^(errand_\w+)(?:\(\))?$/;
            push @gaps, "$header->{file}:$line: $name is not declared in a public header"
                if ($kind eq 'word' || $kind eq 'ref' && $section eq '') &&
                !$known->{$name} &&
                $name !~ /_$|^errand$/i;
        }
    };
    $check->(1, $header->{text});
    for my $item (@{ $header->{items} }) {
        for my $d (@{ $item->{declarations} // [] }) {
            $check->($d->{line}, join ' ', $d->{note}, map { $_->{text} } @{ $d->{members} // [] });
        }
        $check->($item->{line}, $item->{text}) if $item->{doc};
    }
    return @gaps;
}

# Classes and functions of the C++ headers that the guide to them does not name.
sub missing_in_cpp {
    my ($pages) = @_;
    my ($guide) = grep { $_->{name} eq 'errand-cpp' } @{ $pages->{guides} } or return;
    my %said = map { $_ => 1 } join(' ', strings($guide->{blocks})) =~ /\berrand::(\w+)/g;
    my @gaps;
    for my $path (sort glob "$pages->{include}/*.hpp") {
        my ($file, $line, $detail) = ($path =~ m{([^/]+)$}, 0, 0);
        for (split /\n/, Headers::slurp($path)) {
            $line++;
            $detail = 1 if /^namespace detail\b/;
            $detail = 0 if /^\} \/\/ namespace detail/;
            s/^template <(?:[^<>]|<[^<>]*>)*> //;
            next if $detail || !/^[a-z]/ || /^namespace\b|^(?:class|struct) \w+;|\boperator\b/;
            my ($name) = /^(?:class|struct|using) (?:\[\[\w+\]\] )?(\w+)/ ? $1 :
                /(?<!::)\b(\w+)(?:\(| =|\{)/ ? $1 : next;
            push @gaps, "$file:$line: errand::$name is not in errand-cpp(7)" if !$said{$name}++;
        }
    }
    return @gaps;
}

# All strings in a structure.
sub strings {
    my ($in) = @_;
    my $ref = ref $in or return $in // '';
    return map { strings($_) } $ref eq 'HASH' ? values %$in : @$in;
}

# What a caller must expect to fail: a function that returns a future; a pointer that may come with
# errno; an int, unless it only looks (it takes pointers to const alone) or its comment says that it
# returns something else than "0, or" an error, or as another.
sub must_name_errors {
    my ($f) = @_;
    return 0 if $f->{kind} ne 'function';
    my $returns = join ' ', @{ $f->{doc}{returns} },
        map { $_->{text} // '' } grep { $_->{kind} eq 'para' } @{ $f->{doc}{blocks} };
    return 1 if $f->{type} eq 'errand_future *';
    return $returns =~ /\berrno\b/ || $f->{name} =~ /_new$/ if $f->{type} =~ /^errand_\w+ \*$/;
    return 0
        if $f->{type} ne 'int' ||
        !grep { /\*\s*(?:const\s*)?\*|^(?!const\b).*[*\[]/ } @{ $f->{params} };
    my ($first) = $returns =~ /\bReturns (.*)/;
    return !defined $first || $first =~ /^(?:0|as)\b|\berrno\b|\ban? error\b/;
}

# The errors in what a comment says of returning: in its tables, its "Returns" paragraphs, and those
# of functions that these refer to.
sub named_errors {
    my ($functions, $name, $seen) = @_;
    return if $seen->{$name}++;
    my ($doc) = grep { defined } map { $_->{doc} } @{ $functions->{$name} // [] } or return;
    my @paragraphs = (@{ $doc->{returns} },
        grep { /^Returns\b/ } map { $_->{kind} eq 'para' ? $_->{text} : () } @{ $doc->{blocks} });
    my $text = join ' ', @paragraphs, map { $_->[0] } @{ $doc->{errors} };
    return ($text =~ /($error)/g,
        map { $_->[0] eq 'ref' ? named_errors($functions, $_->[1], $seen) : () }
            Text::inline($text));
}

# Bodies of public functions by name.
sub bodies {
    my ($lib) = @_;
    my %bodies;
    my $read = sub {
        return if !/\.c$/;
        my $source = Headers::slurp($_);
        while ($source =~ /^(?!static\b|typedef\b)\w[\w *]*?\b(errand_\w+)\([^;{}]*\)\s*(?=\{)/mg) {
            my $name = $1;
            $bodies{$name} = Headers::take_declaration(\$source);
        }
    };
    find({ wanted => $read, no_chdir => 1 }, $lib) if -d $lib;
    return \%bodies;
}

# The errors that statements of these bodies return or put into errno.
sub errors_of {
    my %found;
    for my $body (@_) {
        my $code = Headers::without_comments($body);
        for my $statement ($code =~ /\b(?:return|errno\s*=)([^;]*);/g) {
            $statement =~ s/(?:[!=]=\s*|case\s+)$error|$error\s*[!=]=//g;
            $found{$_} = 1 for $statement =~ /$error/g;
        }
    }
    return sort keys %found;
}

1;
