// Flip-flops with synchronous reset and enable as flip-flops with enable alone, which clock gating understands.
// Reset goes into the data, and the enable is on during reset. P or N: polarity of the enable; 0 or 1: reset value.
(* techmap_celltype = "$_SDFFE_PP0P_" *)
module split_pp0p (input D, C, R, E, output Q);
  \$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(D & ~R), .C(C), .E(E | R), .Q(Q));
endmodule
(* techmap_celltype = "$_SDFFE_PP1P_" *)
module split_pp1p (input D, C, R, E, output Q);
  \$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(D | R), .C(C), .E(E | R), .Q(Q));
endmodule
(* techmap_celltype = "$_SDFFE_PN0P_" *)
module split_pn0p (input D, C, R, E, output Q);
  \$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(D & R), .C(C), .E(E | ~R), .Q(Q));
endmodule
(* techmap_celltype = "$_SDFFE_PN1P_" *)
module split_pn1p (input D, C, R, E, output Q);
  \$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(D | ~R), .C(C), .E(E | ~R), .Q(Q));
endmodule
(* techmap_celltype = "$_SDFFE_PP0N_" *)
module split_pp0n (input D, C, R, E, output Q);
  \$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(D & ~R), .C(C), .E(~E | R), .Q(Q));
endmodule
(* techmap_celltype = "$_SDFFE_PP1N_" *)
module split_pp1n (input D, C, R, E, output Q);
  \$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(D | R), .C(C), .E(~E | R), .Q(Q));
endmodule
(* techmap_celltype = "$_SDFFE_PN0N_" *)
module split_pn0n (input D, C, R, E, output Q);
  \$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(D & R), .C(C), .E(~E | ~R), .Q(Q));
endmodule
(* techmap_celltype = "$_SDFFE_PN1N_" *)
module split_pn1n (input D, C, R, E, output Q);
  \$_DFFE_PP_ _TECHMAP_REPLACE_ (.D(D | ~R), .C(C), .E(~E | ~R), .Q(Q));
endmodule
