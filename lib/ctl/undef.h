/* SPDX-License-Identifier: MIT
 * Takes back the macros for messages.def, so that it can be included again. No guard on purpose. */
#undef CTL_RECORD
#undef CTL_U8
#undef CTL_U16
#undef CTL_U32
#undef CTL_U64
#undef CTL_I64
#undef CTL_STR
#undef CTL_IP
#undef CTL_ENDPOINT
#undef CTL_LIST
#undef CTL_END
#undef CTL_MESSAGE
