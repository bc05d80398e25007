import {US_PER_HOUR} from '../domain/units.ts'

/** A value that changed on dates: rows of [first New York day it holds, value], oldest first. */
export type Dated = readonly (readonly [day: string, value: number])[]

/**
 * SEC section 31 fee on sales, dollars a million of notional. Sources: SEC fee rate advisories and FINRA information notices
 * (2012-11-15, 2014-03-03, 2016-03-15, 2018-04-17 seen), for 2001–2005 the list at traderstatus.com/secfeerates.htm. Rows
 * of 2007 to February 2012, 2013, 2015 and from 2019 on are from the advisories as remembered, their days not seen again.
 */
export const SEC_DOLLARS_PER_MILLION: Dated = [
  ['1998-01-01', 33.3],
  ['2001-12-28', 15],
  ['2002-04-01', 30.1],
  ['2003-03-22', 25.2],
  ['2003-04-01', 46.8],
  ['2004-02-22', 39],
  ['2004-04-01', 23.4],
  ['2005-01-07', 32.9],
  ['2005-04-01', 41.8],
  ['2005-12-22', 30.7],
  ['2007-03-17', 15.3],
  ['2008-01-26', 11],
  ['2008-04-01', 5.6],
  ['2009-04-10', 25.7],
  ['2010-01-15', 12.7],
  ['2010-04-01', 16.9],
  ['2011-01-21', 19.2],
  ['2012-02-21', 18],
  ['2012-04-01', 22.4],
  ['2013-05-25', 17.4],
  ['2014-03-18', 22.1],
  ['2015-02-14', 18.4],
  ['2016-02-16', 21.8],
  ['2017-07-04', 23.1],
  ['2018-05-22', 13],
  ['2019-04-16', 20.7],
  ['2020-02-18', 22.1],
  ['2021-02-25', 5.1],
  ['2022-05-14', 22.9],
  ['2023-02-27', 8],
  ['2024-05-22', 27.8],
  ['2025-05-14', 0],
  ['2026-04-04', 20.6],
]

/**
 * FINRA trading activity fee on sales of shares: dollars a share, and the cap in dollars a trade. Sources: Regulatory
 * Notices 11-27 (from 0.000075 and $3.75, "in place for over six years", to 0.00009), 12-06, and the fee's rule flow chart
 * (0.000119 and $5.95). Not seen again: the days of 2005 and of 2022 on, and the pause of 2026.
 */
export const TAF_PER_SHARE: Dated = [
  ['2002-10-01', 0.0001],
  ['2005-01-01', 0.000075],
  ['2011-07-01', 0.00009],
  ['2012-03-01', 0.000095],
  ['2012-07-01', 0.000119],
  ['2022-01-01', 0.00013],
  ['2023-01-01', 0.000145],
  ['2024-01-01', 0.000166],
  ['2026-01-01', 0.000195],
  ['2026-10-01', 0],
  ['2027-01-01', 0.000195],
]
export const TAF_CAP: Dated = [
  ['2002-10-01', 10],
  ['2005-01-01', 3.75],
  ['2011-07-01', 4.5],
  ['2012-03-01', 4.75],
  ['2012-07-01', 5.95],
  ['2022-01-01', 6.49],
  ['2023-01-01', 7.27],
  ['2024-01-01', 8.3],
  ['2026-01-01', 9.79],
]
/** The same fee on sales of options, dollars a contract; days as above. */
export const TAF_PER_CONTRACT: Dated = [
  ['2002-10-01', 0.002],
  ['2022-01-01', 0.00218],
  ['2023-01-01', 0.00244],
  ['2024-01-01', 0.00279],
  ['2026-01-01', 0.00329],
  ['2026-10-01', 0],
  ['2027-01-01', 0.00329],
]

/**
 * Options regulatory fee, both sides, dollars a contract summed over the exchanges; it changes with each of them, so a
 * day is the first on which a sum was published. Sources: traderstatus.com/secfeerates.htm (2011–2015), Interactive Brokers'
 * knowledge base article 1184 (2017, 2019) and guide of 2025-03-03. Not verified: 2009, 2022 and 2024.
 */
export const ORF_PER_CONTRACT: Dated = [
  ['2009-07-01', 0.014],
  ['2011-05-01', 0.0225],
  ['2013-01-01', 0.0377],
  ['2014-02-01', 0.0396],
  ['2015-08-01', 0.0427],
  ['2017-02-06', 0.0378],
  ['2019-02-01', 0.0379],
  ['2022-01-01', 0.02955],
  ['2024-01-01', 0.02685],
  ['2025-03-03', 0.02815],
]

/**
 * Options Clearing Corporation, both sides, dollars a contract, and its cap in dollars a trade. Sources: OCC press release
 * of 2021-04-19 (0.055 to 0.045 on 2020-09-01, 0.02 from 2021-06-01), schedules of fees of January 2020 and after, SR-OCC-
 * 2021-012 (a holiday, here November and December 2021), 90 FR 10544 (0.025 and no cap from 2025-02-14), release 34-71769
 * (the end of the discount in 2014). Not verified: 2009 to 2013, the rate of 2014 to 2019 and its days.
 */
export const OCC_PER_CONTRACT: Dated = [
  ['2009-01-01', 0.02],
  ['2014-04-01', 0.05],
  ['2020-01-01', 0.055],
  ['2020-09-01', 0.045],
  ['2021-06-01', 0.02],
  ['2021-11-01', 0],
  ['2022-01-01', 0.02],
  ['2025-02-14', 0.025],
]
export const OCC_CAP: Dated = [
  ['2009-01-01', 55],
  ['2025-02-14', Infinity],
]

const days = new Map<Dated, Float64Array>()

/** The value that holds at a time; the first one before its day, too. */
export const valueAt = (table: Dated, tsUs: number): number => {
  let starts = days.get(table)
  if (starts === undefined) {
    starts = Float64Array.from(table, ([day]) => Date.parse(day) * 1000)
    days.set(table, starts)
  }
  let at = starts.length - 1
  // A day begins in New York: five hours after UTC is the later of its two offsets.
  while (at > 0 && tsUs < (starts[at] as number) + 5 * US_PER_HOUR) at--
  return (table[at] as readonly [string, number])[1]
}
