/* SPDX-License-Identifier: MIT
 * Blanks the record macros for an includer of messages.def that wants only CTL_MESSAGE. No guard on
 * purpose. */
#define CTL_RECORD(record)
#define CTL_U8(record, field)
#define CTL_U16(record, field)
#define CTL_U32(record, field)
#define CTL_U64(record, field)
#define CTL_I64(record, field)
#define CTL_STR(record, field)
#define CTL_IP(record, field)
#define CTL_ENDPOINT(record, field)
#define CTL_LIST(record, inner, field)
#define CTL_END(record)
