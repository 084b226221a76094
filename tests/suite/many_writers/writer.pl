# One writer of many: small writes by Perl. See the one in Python.
use strict;
use warnings;
use Errno qw(EBUSY);
use IO::Handle;
use Time::HiRes qw(time);

my ($name, $means, $folder, $log, $files, $quota, $turn, $ahead) = @ARGV;
open my $book, '>>', $log or die "$log: $!";
$book->autoflush;
STDOUT->autoflush;

sub now { int(time * 1000) }

sub look {
    my ($path) = @_;
    print "look $path\n";
    return unless <STDIN> eq "ok\n";
    open my $file, '<', $path or return;
    local $/;
    return <$file>;
}

my %write = (
    append => sub {
        my ($path, undef, $line) = @_;
        open my $file, '>>', $path or return;
        print $file $line;
        return close $file;
    },
    truncate => sub {
        my ($path, $text, $line) = @_;
        open my $file, '>', $path or return;
        print $file $text . $line;
        return close $file;
    },
);

my $done = 0;

# Some lines, one after the other, until one is refused.
sub save {
    my ($path, $looked, $text) = @_;
    for (0 .. int rand 12) {
        return if $done == $quota;
        my $marker = sprintf '@%s:%s.%d:%08x', $name, $turn, $done, rand 2**32;
        my ($begun, $end, $why) = (now(), 'acknowledged', '');
        unless ($write{$means}->($path, $text, "$marker\n")) {
            ($end, $why) = ($! == EBUSY ? 'refused' : 'failed', "$!");
        }
        printf $book '{"marker":"%s","path":"%s","end":"%s","why":"%s","looked":%d,"from":%d,"to":%d}'
            . "\n", $marker, $path, $end, $why, $looked, $begun, now();
        return if $end ne 'acknowledged';
        $text .= "$marker\n";
        $looked &&= $begun;
        $done++;
    }
}

print "ready\n";
<STDIN>;
while ($done < $quota) {
    my %chosen;
    while (keys %chosen < $ahead) {
        my $path = "$folder/part" . int(rand $files) . '.txt';
        next if $chosen{$path};
        $chosen{$path} = $means eq 'append' ? [0, ''] : [now(), look($path)];
    }
    for my $path (keys %chosen) {
        my ($looked, $text) = @{ $chosen{$path} };
        save($path, $looked, $text) if defined $text;
    }
}
