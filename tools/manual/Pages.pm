# Which pages the manual has: one of section 3 for each documented group with a function in it, one
# for each header, one for each file in pages/.
#
# page { name, names, section, header, group, doc, declarations, types } of section 3; types: the
# declarations that a reader of this page needs, such as an options struct.
package Pages;
use strict;
use warnings FATAL => 'all';
use Headers;
use Text;

sub new {
    my ($class, $include, $guides) = @_;
    my @headers = Headers::read_all($include);
    my $self = bless {
        include => $include, headers => \@headers, pages => [], guides => [], # page_of, type ...: by name
        page_of => {}, type => {}, home => {}, wrapper_of => {}
    }, $class;
    $self->{version} = join '.', map { $self->value("ERRAND_VERSION_$_") } qw(MAJOR MINOR PATCH);
    for my $header (@headers) {
        $self->add_group($header, $_) for grep { $_->{declarations} } @{ $header->{items} };
    }
    $self->find_types;
    $self->{guides} = [map { guide($_) } $guides ? sort glob "$guides/*.md" : ()];
    return $self;
}

# Of a macro; an empty list where there is none.
sub value {
    my ($self, $name) = @_;
    return map { $_->{value} } grep { $_->{kind} eq 'macro' && $_->{name} eq $name }
        map { @{ $_->{declarations} // [] } } map { @{ $_->{items} } } @{ $self->{headers} };
}

sub is_function {
    my ($d) = @_;
    return $d->{kind} eq 'function' ||
        $d->{kind} eq 'macro' && $d->{params} && $d->{name} =~ /^errand_/;
}

sub is_door { return $_[0]{kind} eq 'function' && $_[0]{name} =~ /_sized$/ }

# The binary-compatibility entry points behind an inline function.
sub doors {
    my ($self, $name) = @_;
    return sort grep { $self->{wrapper_of}{$_} eq $name } keys %{ $self->{wrapper_of} };
}

sub add_group {
    my ($self, $header, $group) = @_;
    my @shown = grep { !is_door($_) } @{ $group->{declarations} };
    for my $d (@{ $group->{declarations} }) {
        next if !defined $d->{name};
        my ($door) = $d->{inline} ? $d->{source} =~ /\b(errand_\w+_sized)\s*\(/ : ();
        $self->{wrapper_of}{$door} = $d->{name} if $door;
        my $type = $d->{kind} =~ /^(?:struct|enum|callback)$/;
        $self->{type}{ $d->{name} } = $d
            if $type && ($group->{text} ne '' || !$self->{type}{ $d->{name} });
        $d->{text} = $group->{text} if $type && $d == $shown[0];
    }
    return if $group->{text} eq '';
    $group->{doc} = Text::doc($group->{text});
    my @functions = grep { is_function($_) } @shown or return;
    my $page = {
        name => $functions[0]{name}, names => [map { $_->{name} } @functions], section => 3,
        header => $header, group => $group, doc => $group->{doc}, declarations => \@shown
    };
    push @{ $self->{pages} }, $page;
    $group->{page} = $page;
    $self->{page_of}{$_} = $page for @{ $page->{names} };
}

# The types of a page: those that its functions take or give through a pointer, and what these lead
# to. A type that goes by value somewhere (errand_result) is vocabulary: it stands on its header's
# page.
sub find_types {
    my ($self) = @_;
    my @functions = map {
        grep { $_->{kind} eq 'function' } @{ $_->{declarations} }
    } @{ $self->{pages} };
    my %vocabulary;
    for my $f (@functions) {
        for ($f->{type}, @{ $f->{params} }) {
            my ($name) = /^(?:const )?(\w+)(?: \w+)?$/ or next;
            my $type = $self->{type}{$name} or next;
            $vocabulary{$name} = 1 if $type->{kind} eq 'struct';
        }
    }
    for my $page (@{ $self->{pages} }) {
        my %seen = map { ($_->{name} // '') => 1 } @{ $page->{declarations} };
        my @todo = map { words_of($_) } @{ $page->{declarations} };
        while (defined(my $text = shift @todo)) {
            for my $name ($text =~ /\w+/g) {
                my $type = $self->{type}{$name} or next;
                next if $vocabulary{$name} || $seen{$name}++;
                push @{ $page->{types} }, $type;
                push @todo, words_of($type);
            }
        }
        for my $d (@{ $page->{types} // [] }, @{ $page->{declarations} }) {
            my $name = $d->{name} // next;
            $self->{home}{$name} ||= $page if $self->{type}{$name};
        }
    }
}

# The code of a declaration in which other types may be named.
sub words_of {
    my ($d) = @_;
    return $d->{code} if $d->{kind} eq 'callback';
    return @{ $d->{params} } if $d->{kind} eq 'function';
    return $d->{kind} eq 'struct' ? map { $_->{code} } @{ $d->{members} } : ();
}

# The documented groups of a header that have no function in them.
sub vocabulary {
    my ($self, $header) = @_;
    return grep { $_->{doc} && !$_->{page} } @{ $header->{items} };
}

# NAME.SECTION.md is a page of the manual, NAME.md one of the site alone. Its first line is
# "# name -- title".
sub guide {
    my ($path) = @_;
    my ($name, $section) = $path =~ m{([^/]+?)(?:\.(\d))?\.md$};
    my @blocks = Text::markdown(Headers::slurp($path));
    die "$path: does not begin with '# name -- title'\n"
        if !@blocks || $blocks[0]{kind} ne 'head' || $blocks[0]{level} != 1;
    my ($title) = (shift @blocks)->{text} =~ /^(?:\S+\s+--\s+)?(.*?)\.?$/;
    return { name => $name, section => $section, title => $title, blocks => \@blocks };
}

# Every name that a text may mention: functions, types, macros, constants.
sub known {
    my ($self) = @_;
    return $self->{known} if $self->{known};
    my @declarations = map { @{ $_->{declarations} // [] } } map { @{ $_->{items} } }
        @{ $self->{headers} };
    return $self->{known} = { map { $_ => 1 } map { names_of($_) } @declarations };
}

# The name of a declaration, and those of an enum's constants.
sub names_of {
    my ($d) = @_;
    my @constants = $d->{kind} eq 'enum' ? map { Headers::constant($_) } @{ $d->{members} } : ();
    return ($d->{name} // (), @constants);
}

1;
