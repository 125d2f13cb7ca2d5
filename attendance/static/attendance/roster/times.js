/* Wall times of the clinic, as people say and type them. Nothing here adds up minutes attended. */

const MINUTE = 60000;
const HALF_A_DAY = 720;
const NEAR = 120 * MINUTE; // who comes earlier, or stays longer, is a typing mistake

export class Clock {
  /** `starts` and `ends` of the roster, as instants of the API. */
  constructor(zone, starts, ends) {
    this.starts = Date.parse(starts);
    this.ends = Date.parse(ends);
    this.format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone, hour: "numeric", minute: "2-digit",
    }); // prettier-ignore
    this.dates = new Intl.DateTimeFormat("en-CA", { timeZone: zone });
    this.parts = new Intl.DateTimeFormat("en-US", {
      timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    }); // prettier-ignore
  }

  /** "6:05 PM" */
  say(instant) {
    return this.format.format(new Date(instant)).replace(/\s/g, "\u00a0");
  }

  /** "6:40 PM–6:55 PM" */
  spanWords([from, until]) {
    return `${this.say(from)}–${this.say(until)}`;
  }

  /** Whether the roster's local date is over. */
  get isOver() {
    return this.dates.format(Date.now()) > this.dates.format(this.starts);
  }

  /** Whether somebody of the roster may have come or gone then: 9:12 PM is not near 9:00 AM. */
  isNear(instant) {
    const at = Date.parse(instant);
    return at > this.starts - NEAR && at < this.ends + NEAR;
  }

  /** What a time dialog starts with: the time now while the roster is under way. */
  now(skew) {
    const now = Date.now() + skew;
    return now > this.starts && now < this.ends ? this.say(now) : "";
  }

  /**
   * The instant of "6:12", "6:12 pm" or "1812", the one nearest to the roster; or null. A number
   * of one or two digits is so many minutes after `after`, where that is given (before: negative).
   */
  read(typed, { from, sign = 0 } = {}) {
    const said = /^\s*(\d{1,2})(?::?(\d{2}))?\s*([ap])?\.?(?:m\.?)?\s*$/i.exec(typed);
    if (!said) return null;
    const [, hour, minute, half] = said;
    if (minute === undefined && !half) {
      return sign ? new Date(from + sign * Number(hour) * MINUTE).toISOString() : null;
    }
    if (Number(hour) > 23 || Number(minute ?? 0) > 59) return null;
    return this.#nearest(hours(Number(hour), half), Number(minute ?? 0));
  }

  #nearest(hoursOfDay, minute) {
    const middle = (this.starts + this.ends) / 2;
    const found = hoursOfDay.map((hour) => this.#instant(hour * 60 + minute));
    const far = (instant) => Math.abs(instant - middle);
    const best = found.reduce((one, other) => (far(other) < far(one) ? other : one));
    return new Date(best).toISOString();
  }

  /** The instant of a wall time, twice corrected: the clocks may change in between. */
  #instant(wanted) {
    let instant = this.starts;
    for (let round = 0; round < 2; round += 1) {
      const off = wanted - this.#wall(instant);
      const short = off > HALF_A_DAY ? off - 1440 : off < -HALF_A_DAY ? off + 1440 : off;
      instant += short * MINUTE;
    }
    return instant;
  }

  #wall(instant) {
    const [hour, minute] = this.parts.format(new Date(instant)).split(":").map(Number);
    return hour * 60 + minute;
  }
}

function hours(hour, half) {
  if (half) return [(hour % 12) + (half.toLowerCase() === "p" ? 12 : 0)];
  return hour === 0 || hour > 12 ? [hour] : [hour % 12, (hour % 12) + 12];
}
