# Read by the suite's own helper before it begins: what a suite that was written for one configurable server needs to go on
# at a server whose settings are partly fixed, and after a test that failed.

fconfigure stdout -buffering line

# The sizes at which an encoding changes, and the like, are fixed here: to set them is refused, and matters to no test that runs.
rename r r_of_suite
proc r {args} {
    set settings [string match -nocase {config set *} $args]
    if {[catch {uplevel 1 [list r_of_suite {*}$args]} reply options]} {
        if {$settings && [string match {*has it fixed at*} $reply]} { return OK }
        return -options $options $reply
    }
    return $reply
}

# Some units shun a server that the suite did not start for no reason that matters here: they set it up by CONFIG SET alone.
rename tags_acceptable tags_acceptable_of_suite
proc tags_acceptable {tags err_return} {
    upvar $err_return err
    if {[regexp {unit/(info|limits|pubsubshard|maxmemory|cluster-scripting)} $::curfile]} {
        set tags [lsearch -all -inline -not -exact $tags external:skip]
    }
    tags_acceptable_of_suite $tags err
}

# A test that fails leaves the server as it is in its midst: with a pause, or without room for the next.
rename test test_of_suite
proc test {args} {
    set failed $::num_failed
    uplevel 1 [list test_of_suite {*}$args]
    if {$::num_failed == $failed} return
    catch {
        set client [redis $::host $::port 0 $::tls]
        foreach command {{client unpause} {config set maxmemory 0} {config set maxmemory-policy noeviction}} {
            catch {$client {*}$command}
        }
        $client close
    }
}
