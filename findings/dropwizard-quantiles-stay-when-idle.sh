#!/bin/sh
# io.dropwizard.metrics:metrics-core 4.2.33 (Maven): the quantiles of a histogram or timer stay as they are while nothing happens.
#
# Behaviour: the default reservoir weighs samples by their age relative to each other, and new ones replace the old. Without
# traffic the quantiles stay those of the last minutes of traffic for more than twelve hours, and then drop to 0 at once.
# Why it matters: after the last slow requests of the evening, p99 is 9 s until morning. An HPA on it scales a service that does
# nothing up to maxReplicas.
# Source: metrics-core, ExponentiallyDecayingReservoir, rescale and getSnapshot; the default of MetricRegistry.histogram and
# timer.
# Seen: after an hour and after twelve, p99 is 9000 as at the beginning; after 24 hours it is 0.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
jars io.dropwizard.metrics:metrics-core:4.2.33

cat >Show.java <<'END'
import com.codahale.metrics.Clock;
import com.codahale.metrics.ExponentiallyDecayingReservoir;
import com.codahale.metrics.Histogram;
import java.util.concurrent.TimeUnit;

public class Show {
  // A clock that is set by hand, so that a day takes no time.
  static class Hand extends Clock {
    long hours = 0;

    @Override
    public long getTick() {
      return TimeUnit.HOURS.toNanos(hours);
    }

    @Override
    public long getTime() {
      return TimeUnit.HOURS.toMillis(hours);
    }
  }

  public static void main(String[] arguments) {
    var clock = new Hand();
    // Size and alpha are those of the default constructor, which takes no clock.
    var histogram = new Histogram(new ExponentiallyDecayingReservoir(1028, 0.015, clock));
    for (int request = 0; request < 10; request++) {
      histogram.update(9000);
    }
    for (long hours : new long[] {0, 1, 12, 24}) {
      clock.hours = hours;
      System.out.println(hours + " h: p99 " + histogram.getSnapshot().get99thPercentile());
    }
  }
}
END
expect Dropwizard '0 h: p99 9000.0
1 h: p99 9000.0
12 h: p99 9000.0
24 h: p99 0.0' "$(java -cp 'lib/*' Show.java 2>/dev/null)"
